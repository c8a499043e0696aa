"""Answers that were given once, and are given again to whoever repeats the request."""

from django.conf import settings
from django.db import models


class StoredAnswer(models.Model):
    """What a user got for a POST with an `Idempotency-Key`, but for what is shown once.

    `fingerprint` tells whether the request was the same; `answer`: `status, data, headers`.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    answer = models.JSONField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "key"], name="storedanswer_one_for_each_key"),)
        indexes = (
            # Those that are over.
            models.Index(fields=["expires_at"], name="storedanswer_expires_at"),
        )

    def __str__(self) -> str:
        return f"{self.key} of user {self.user_id}"
