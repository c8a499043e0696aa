"""Answers that are returned again when a request is repeated."""

from django.conf import settings
from django.db import models


class StoredAnswer(models.Model):
    """The answer to a POST with an `Idempotency-Key`, without the fields that are shown only once.

    `fingerprint` tells whether a repeated request is the same. `answer` has the keys `status, data, headers`.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    answer = models.JSONField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "key"], name="storedanswer_one_for_each_key"),)
        indexes = (
            # For deleting expired answers.
            models.Index(fields=["expires_at"], name="storedanswer_expires_at"),
        )

    def __str__(self) -> str:
        return f"{self.key} of user {self.user_id}"
