"""Model fields that any app may use."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models


@dataclass(frozen=True)
class Sealed:
    """A secret, encrypted as the database holds it.

    It is decrypted only where it is used, so a lost key breaks one row and not every query that reads it.
    """

    token: str
    place: str

    def open(self) -> str:
        """Return the secret. Raise DecryptionError when no configured key decrypts it."""
        secret: str = settings.ENCRYPTION.decrypt(self.token, associated=self.place)
        return secret

    def __str__(self) -> str:
        return "(sealed)"

    __repr__ = __str__


class EncryptedTextField(models.TextField["str | Sealed", "str | Sealed"]):
    """Text that the database stores as AES-256-GCM ciphertext: assigned as text, read as Sealed.

    After `save()` the row's attribute is Sealed too, as if the row had just been read.
    The associated data is `app.model.field`, so a ciphertext copied into another column cannot be decrypted.

    Example::

        gateway.credentials = '{"secret": "x"}'
        gateway.save()
        gateway.credentials.open()
    """

    def to_python(self, value: Any) -> Any:
        # Validation must not replace a sealed secret by its `str()`.
        return value if isinstance(value, Sealed) else super().to_python(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 (Django's signature)
        stored = self.get_prep_value(super().pre_save(model_instance, add))
        sealed = self.from_db_value(stored)
        setattr(model_instance, self.attname, sealed)
        return sealed

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt plain text; pass a secret that is still sealed through unchanged."""
        if value is None or isinstance(value, Sealed):
            return value.token if value else None
        return settings.ENCRYPTION.encrypt(str(value), associated=self._place)

    def from_db_value(self, value: str | None, *_: object) -> Sealed | None:
        return None if value is None else Sealed(value, self._place)

    @property
    def _place(self) -> str:
        meta = self.model._meta
        return f"{meta.app_label}.{meta.model_name}.{self.name}"
