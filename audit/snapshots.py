"""The values of a row, for use in operations and ETags. Secrets can be compared but are never shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.db.models import Field, Model

from common.fields import EncryptedTextField, Sealed

Snapshot: TypeAlias = Mapping[str, Any]
HIDDEN = "(secret)"
# A column, or a key at any depth of a nested value, is secret if its name ends with one of these.
SECRET_NAMES = ("password", "digest", "secret", "credentials", "token")


@dataclass(frozen=True)
class Hidden:
    """A secret that can be compared but prints as `(secret)`."""

    value: object

    def __str__(self) -> str:
        return HIDDEN

    __repr__ = __str__


def snapshot(row: Model) -> Snapshot:
    """Return a mapping from each column to its value. Secrets are wrapped in `Hidden`.

    Each many-to-many field is mapped to the sorted names of its related rows.
    """
    columns = {field.attname: _value(field, row) for field in row._meta.concrete_fields}
    relations = {
        field.name: sorted(str(related) for related in getattr(row, field.name).all())
        for field in row._meta.many_to_many
    }
    return {**columns, **relations}


def version(row: Model) -> Snapshot:
    """Return the same mapping as `snapshot`, but with secrets in their stored form, such as ciphertext.

    The mapping therefore changes with any stored value of the row, even a secret.
    """
    return {name: _stored(value) for name, value in snapshot(row).items()}


def differences(before: Snapshot, after: Snapshot) -> tuple[Snapshot, Snapshot]:
    """Return the old values and the new values of the columns that differ. Pure."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


def redacted(content: Any) -> Any:
    """Return a copy of `content` in which every secret, at any depth, is replaced by `(secret)`. Pure."""
    if isinstance(content, Hidden):
        return HIDDEN
    if isinstance(content, Mapping):
        return {
            name: HIDDEN if value and _is_secret(str(name)) else redacted(value)
            for name, value in content.items()
        }
    return [redacted(item) for item in content] if isinstance(content, list | tuple) else content


def _value(field: Field[Any, Any], row: Model) -> Any:
    value = getattr(row, field.attname)
    is_hidden = isinstance(field, EncryptedTextField) or _is_secret(field.name)
    return Hidden(value) if value and is_hidden else value


def _stored(value: Any) -> Any:
    plain = value.value if isinstance(value, Hidden) else value
    return plain.token if isinstance(plain, Sealed) else plain


def _is_secret(name: str) -> bool:
    return name.lower().endswith(SECRET_NAMES)
