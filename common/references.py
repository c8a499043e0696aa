"""Find out whether other rows reference a row.

Don't use Django's Collector for this, because it reads every referencing row. For a carrier, these may be a
third of all cards.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import PROTECT, Model


def is_referenced(row: Model) -> bool:
    """Return whether another row references `row`.

    Relations that are hidden by `related_name="+"` count only if they have `on_delete=PROTECT`.
    """
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: row.pk}).exists()
        for relation in _relations(row)
    )


def _relations(row: Model) -> Iterator[Any]:
    for relation in row._meta.get_fields(include_hidden=True):
        is_reverse = relation.auto_created and not relation.concrete
        if is_reverse and (
            not getattr(relation, "hidden", False) or getattr(relation, "on_delete", None) is PROTECT
        ):
            yield relation
