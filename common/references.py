"""Whether a row is pointed at. Django's own way to find out reads every row that does: of a carrier a third of the fleet."""

from collections.abc import Iterator
from typing import Any

from django.db.models import PROTECT, Model


def is_used(row: Model) -> bool:
    """Whether another row points at this one, and says so or must not be left alone."""
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: row.pk}).exists()
        for relation in _relations(row)
    )


def _relations(row: Model) -> Iterator[Any]:
    for relation in row._meta.get_fields(include_hidden=True):
        is_pointed_at = relation.auto_created and not relation.concrete
        if is_pointed_at and (
            not getattr(relation, "hidden", False) or getattr(relation, "on_delete", None) is PROTECT
        ):
            yield relation
