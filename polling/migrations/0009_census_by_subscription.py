from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("polling", "0008_census_by_gateway")]

    operations = [
        # What was counted says nothing of plans: the next walk counts anew, both ways.
        migrations.RunSQL("TRUNCATE polling_classcensus", migrations.RunSQL.noop),
        migrations.RemoveConstraint(
            model_name="classcensus", name="classcensus_one_row_per_class_and_gateway"
        ),
        migrations.AddField(
            model_name="classcensus",
            name="is_subscribed",
            field=models.BooleanField(verbose_name="on a plan", default=False),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="classcensus",
            constraint=models.UniqueConstraint(
                fields=(
                    "carrier",
                    "category",
                    "status",
                    "real_name_status",
                    "network_status",
                    "enable_polling",
                    "is_subscribed",
                    "gateway",
                ),
                name="classcensus_one_row_per_class_and_gateway",
                nulls_distinct=False,
            ),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, "TRUNCATE polling_classcensus"),
    ]
