import django.db.models.deletion
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cards", "0017_uncertain_meters"),
        ("carriers", "0003_counters_properties"),
    ]

    operations = [
        ValidateConstraint("cardusage", "cardusage_bounds_not_negative"),
        ValidateConstraint("cardusage", "cardusage_doubt_whole"),
        migrations.AddField(
            model_name="cardusage",
            name="carrier",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="carriers.carrier",
                verbose_name="carrier of the counter",
            ),
        ),
    ]
