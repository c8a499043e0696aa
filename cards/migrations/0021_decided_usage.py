from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models

KINDS = [
    ("created", "created"),
    ("real_name", "real-name status"),
    ("network", "network status"),
    ("status", "status"),
    ("category", "category"),
    ("agent", "agent"),
    ("device", "device"),
    ("polling", "polled"),
    ("deleted", "deleted"),
    ("usage", "usage decided"),
]


class Migration(migrations.Migration):
    # Each operation has its own transaction, so that validating the constraint locks nobody out.
    atomic = False
    dependencies = [("cards", "0020_uncertain_index")]
    operations = [
        migrations.AlterField(
            model_name="cardevent",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=9, verbose_name="kind"),
        ),
        migrations.RemoveConstraint(model_name="cardevent", name="cardevent_kind_known"),
        AddConstraintNotValid(
            model_name="cardevent",
            constraint=models.CheckConstraint(
                condition=models.Q(kind__in=[kind for kind, _ in KINDS]), name="cardevent_kind_known"
            ),
        ),
        ValidateConstraint("cardevent", "cardevent_kind_known"),
        # The older constraint refuses these events.
        migrations.RunSQL(migrations.RunSQL.noop, "DELETE FROM cards_cardevent WHERE kind = 'usage'"),
    ]
