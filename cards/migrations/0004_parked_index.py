from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built concurrently cannot be part of a transaction.
    atomic = False
    dependencies = [("cards", "0003_fillfactor")]
    operations = [
        AddIndexConcurrently(
            model_name="checkstate",
            index=models.Index(
                fields=["type", "card"],
                condition=models.Q(("parked_at__isnull", False)),
                name="checkstate_parked",
            ),
        )
    ]
