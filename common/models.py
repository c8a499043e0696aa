"""Stored answers. A client that repeats a request gets the first answer again."""

from django.conf import settings
from django.db import models

from common.fields import EncryptedTextField


class StoredAnswer(models.Model):
    """The answer to a request with an `Idempotency-Key`, without the fields that are shown only once.

    `fingerprint` is a digest of the request. It tells whether a later request with the same key repeats this
    request or is a different one. It is encrypted, because a weak password in the request could be guessed from
    a plain digest. `answer` has the keys `status, body, headers`; the body is JSON text.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = EncryptedTextField()
    answer = models.JSONField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "key"], name="storedanswer_one_for_each_key"),)
        indexes = (
            # Used to find the expired answers that are to be deleted.
            models.Index(fields=["expires_at"], name="storedanswer_expires_at"),
        )

    def __str__(self) -> str:
        return f"{self.key} of user {self.user_id}"
