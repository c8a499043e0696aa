"""What a row holds, for an operation. Secrets are compared, and never shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db.models import Field, Model

from common.fields import EncryptedTextField, Sealed

Snapshot: TypeAlias = Mapping[str, Any]
HIDDEN = "(secret)"
# What is called so, or ends so, is hidden wherever it stands.
SECRET_NAMES = ("password", "digest", "secret", "credentials", "token")


@dataclass(frozen=True)
class Hidden:
    """A secret: equal to itself, and shown to nobody."""

    value: object

    def __str__(self) -> str:
        return HIDDEN

    __repr__ = __str__


def snapshot(row: Model) -> Snapshot:
    """Column -> value, and the names of what it has many of, in order."""
    columns = {field.attname: _value(field, row) for field in row._meta.concrete_fields}
    several = {
        field.name: sorted(str(one) for one in getattr(row, field.name).all())
        for field in row._meta.many_to_many
    }
    return {**columns, **several}


def version(row: Model) -> Snapshot:
    """Column -> value, secrets as they are stored: it differs whenever something was written that differs."""
    return {name: _stored(value) for name, value in snapshot(row).items()}


def differences(before: Snapshot, after: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Both sides of what differs. Pure."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


def shown(found: Any) -> Any:
    """The same without secrets, whatever it is made of. Pure."""
    if isinstance(found, Hidden):
        return HIDDEN
    if isinstance(found, Mapping):
        return {
            name: HIDDEN if value and _is_secret(str(name)) else shown(value) for name, value in found.items()
        }
    return [shown(one) for one in found] if isinstance(found, list | tuple) else found


def _value(field: Field[Any, Any], row: Model) -> Any:
    value = getattr(row, field.attname)
    is_hidden = isinstance(field, EncryptedTextField) or _is_secret(field.name)
    return Hidden(value) if value and is_hidden else value


def _stored(value: Any) -> Any:
    kept = value.value if isinstance(value, Hidden) else value
    return kept.token if isinstance(kept, Sealed) else kept


def _is_secret(name: str) -> bool:
    return name.lower().endswith(SECRET_NAMES)
