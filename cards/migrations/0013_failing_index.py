from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index that is built concurrently cannot be part of a transaction.
    atomic = False
    dependencies = [("cards", "0012_main_subscriptions_end_when_they_are_ended")]
    operations = [
        AddIndexConcurrently(
            model_name="checkstate",
            index=models.Index(
                fields=["failing_since", "id"],
                condition=models.Q(("failing_since__isnull", False)),
                name="checkstate_failing",
            ),
        )
    ]
