import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("polling", "0002_epoch"),
    ]

    operations = [
        migrations.CreateModel(
            name="MinuteStat",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("minute", models.DateTimeField(verbose_name="minute")),
                (
                    "task_type",
                    models.CharField(
                        choices=[
                            ("realname", "real-name verification"),
                            ("carddata", "data usage"),
                            ("package", "package"),
                            ("stop_start", "suspend and resume"),
                        ],
                        max_length=10,
                        verbose_name="task type",
                    ),
                ),
                ("gateway_id", models.BigIntegerField(blank=True, null=True, verbose_name="gateway")),
                ("success", models.PositiveIntegerField(default=0, verbose_name="success")),
                ("failed", models.PositiveIntegerField(default=0, verbose_name="failed")),
                ("total_ms", models.PositiveBigIntegerField(default=0, verbose_name="total duration (ms)")),
                (
                    "histogram",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveIntegerField(), size=None, verbose_name="durations"
                    ),
                ),
                ("due", models.PositiveIntegerField(null=True, verbose_name="due")),
                ("in_flight", models.PositiveIntegerField(null=True, verbose_name="in flight")),
                ("seats", models.PositiveIntegerField(null=True, verbose_name="seats taken")),
                (
                    "lateness_p99_seconds",
                    models.PositiveIntegerField(null=True, verbose_name="lateness, 99th percentile (s)"),
                ),
            ],
            options={
                "verbose_name": "statistics of a minute",
                "verbose_name_plural": "statistics by minute",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("task_type", "minute", "gateway_id"),
                        name="minutestat_one",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("task_type__in", ["realname", "carddata", "package", "stop_start"])
                        ),
                        name="minutestat_task_type_known",
                    ),
                ],
            },
        ),
    ]
