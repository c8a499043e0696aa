from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built concurrently cannot be part of a transaction.
    atomic = False
    dependencies = [("cards", "0019_counter_surveys")]
    operations = [
        AddIndexConcurrently(
            model_name="cardusage",
            index=models.Index(
                fields=["-id"],
                condition=models.Q(doubt__isnull=False) | models.Q(suspect_since__isnull=False),
                name="cardusage_uncertain",
            ),
        )
    ]
