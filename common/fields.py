"""Model fields that any app may use."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models


@dataclass(frozen=True)
class Sealed:
    """A secret as the database has it. It is opened where it is used, so one lost key harms one row only."""

    token: str
    place: str

    def open(self) -> str:
        """The secret; raises `DecryptionError`."""
        opened: str = settings.ENCRYPTION.decrypt(self.token, associated=self.place)
        return opened

    def __str__(self) -> str:
        return "(sealed)"

    __repr__ = __str__


class EncryptedTextField(models.TextField["str | Sealed", "str | Sealed"]):
    """Text that the database only ever sees as AES-256-GCM ciphertext: written as text, read as Sealed.

    A row that was saved holds what the database has, as if it had been read.

    The associated data is `app.model.field`, so a ciphertext copied elsewhere does not open.
    """

    def to_python(self, value: Any) -> Any:
        """Validation must not turn a sealed secret into the words that stand for it."""
        return value if isinstance(value, Sealed) else super().to_python(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 (Django's signature)
        """Seal the row's own value."""
        stored = self.get_prep_value(super().pre_save(model_instance, add))
        sealed = self.from_db_value(stored)
        setattr(model_instance, self.attname, sealed)
        return sealed

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in, unless it has not been opened at all."""
        if value is None or isinstance(value, Sealed):
            return value.token if value else None
        return settings.ENCRYPTION.encrypt(str(value), associated=self._place)

    def from_db_value(self, value: str | None, *_: object) -> Sealed | None:
        """Nothing is opened here."""
        return None if value is None else Sealed(value, self._place)

    @property
    def _place(self) -> str:
        meta = self.model._meta
        return f"{meta.app_label}.{meta.model_name}.{self.name}"
