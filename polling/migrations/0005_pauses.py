import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "__first__"),
        ("carriers", "0001_initial"),
        ("polling", "0004_parked_check"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "task_type",
                    models.CharField(
                        blank=True,
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
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="begun at"
                    ),
                ),
                ("until", models.DateTimeField(verbose_name="until")),
                (
                    "carrier",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="carriers.carrier",
                        verbose_name="carrier",
                    ),
                ),
                (
                    "gateway",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="carriers.gateway",
                        verbose_name="gateway",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={
                "verbose_name": "pause",
                "verbose_name_plural": "pauses",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                models.Q(("task_type", ""), _negated=True),
                                ("carrier", None),
                                ("gateway", None),
                            ),
                            models.Q(("carrier__isnull", False), ("gateway", None), ("task_type", "")),
                            models.Q(("carrier", None), ("gateway__isnull", False), ("task_type", "")),
                            _connector="OR",
                        ),
                        name="pause_of_one_thing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("task_type__in", ["", "realname", "carddata", "package", "stop_start"])
                        ),
                        name="pause_task_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="pause_reason_given"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until__gt", models.F("created_at"))),
                        name="pause_ends_after_begin",
                    ),
                ],
            },
        ),
    ]
