"""The field type for amounts of data."""

from typing import Any

from django.db import models


def megabytes(label: Any, **options: Any) -> "models.DecimalField[Any, Any]":
    """Return a model field for megabytes (10^6 bytes) with three decimal places."""
    return models.DecimalField(label, max_digits=18, decimal_places=3, **options)
