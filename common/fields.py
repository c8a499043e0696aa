"""A model field for encrypted text."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models


@dataclass(frozen=True)
class Sealed:
    """A secret in its encrypted form, as the database stores it.

    Call `open` to decrypt the secret. Reading a row does not decrypt its secret. Otherwise, a lost key would
    break every query that reads the row.
    """

    token: str
    place: str

    def open(self) -> str:
        """Return the decrypted secret. Raise DecryptionError if no configured key can decrypt it."""
        secret: str = settings.ENCRYPTION.decrypt(self.token, associated=self.place)
        return secret

    def __str__(self) -> str:
        return "(sealed)"

    __repr__ = __str__


class EncryptedTextField(models.TextField["str | Sealed", "str | Sealed"]):
    """Text that the database stores encrypted. Assign plain text. Reading the attribute returns a Sealed.

    After `save()` the attribute is a Sealed too, as if the row had just been read. The text is encrypted for
    `app.model.field`, so a ciphertext that is copied into another column cannot be decrypted.

    Example::

        gateway.credentials = '{"secret": "x"}'
        gateway.save()
        gateway.credentials.open()
    """

    def to_python(self, value: Any) -> Any:
        # Keep a Sealed as it is, because validation would otherwise replace it with the text "(sealed)".
        return value if isinstance(value, Sealed) else super().to_python(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 (Django's signature)
        stored = self.get_prep_value(super().pre_save(model_instance, add))
        sealed = self.from_db_value(stored)
        setattr(model_instance, self.attname, sealed)
        return sealed

    def get_prep_value(self, value: Any) -> Any:
        """Return the ciphertext to store. The ciphertext of a Sealed is returned unchanged."""
        if value is None or isinstance(value, Sealed):
            return value.token if value else None
        return settings.ENCRYPTION.encrypt(str(value), associated=self._place)

    def from_db_value(self, value: str | None, *_: object) -> Sealed | None:
        return None if value is None else Sealed(value, self._place)

    @property
    def _place(self) -> str:
        meta = self.model._meta
        return f"{meta.app_label}.{meta.model_name}.{self.name}"
