"""Model fields that any app may use."""

from typing import Any

from django.conf import settings
from django.db import models


class EncryptedTextField(models.TextField[str, str]):
    """Text that the database only ever sees as AES-256-GCM ciphertext.

    The associated data is `app.model.field`, so a ciphertext copied elsewhere does not open.
    """

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in."""
        if value is None:
            return None
        return settings.ENCRYPTION.encrypt(str(value), associated=self._place)

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        """Decrypt on the way out; raises `DecryptionError`."""
        if value is None:
            return None
        return settings.ENCRYPTION.decrypt(value, associated=self._place)

    @property
    def _place(self) -> str:
        meta = self.model._meta
        return f"{meta.app_label}.{meta.model_name}.{self.name}"
