import django.contrib.postgres.operations
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built concurrently cannot be part of a transaction.
    atomic = False

    dependencies = [
        ("cards", "0009_exemptions"),
    ]

    operations = [
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="card",
            index=models.Index(
                condition=models.Q(("real_name_status", "verified"), _negated=True),
                fields=["real_name_status", "id"],
                name="card_not_verified",
            ),
        ),
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="card",
            index=models.Index(
                condition=models.Q(("network_status", "online"), _negated=True),
                fields=["network_status", "id"],
                name="card_not_online",
            ),
        ),
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="card",
            index=models.Index(
                condition=models.Q(("device__isnull", False)), fields=["device"], name="card_device"
            ),
        ),
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="card",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["iccid"],
                name="card_iccid_deleted",
                opclasses=["text_pattern_ops"],
            ),
        ),
        django.contrib.postgres.operations.AddIndexConcurrently(
            model_name="card",
            index=models.Index(
                condition=models.Q(("gateway__isnull", False)), fields=["gateway"], name="card_gateway"
            ),
        ),
        django.contrib.postgres.operations.RemoveIndexConcurrently(
            model_name="card",
            name="card_stopped",
        ),
    ]
