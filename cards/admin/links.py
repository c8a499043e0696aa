"""Build the links from a row's admin page to lists of related rows."""

from typing import Any

from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

Target = tuple[type[Any], str, Any]


def lists(pk: int | None, *targets: Target) -> SafeString | str:
    """Return HTML links to change lists that are filtered by `pk`, or "-" if `pk` is None.

    Each target is a tuple: the model to list, the lookup that is compared with `pk`, and the link's label.
    """
    if pk is None:
        return "-"
    return format_html_join(
        " · ",
        '<a href="{}?{}={}">{}</a>',
        (
            (reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"), lookup, pk, label)
            for model, lookup, label in targets
        ),
    )
