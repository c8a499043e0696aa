import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "__first__"),
        ("cards", "0010_card_filters"),
        ("polling", "0006_census"),
    ]

    operations = [
        migrations.CreateModel(
            name="ManualTrigger",
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
                        choices=[
                            ("realname", "real-name verification"),
                            ("carddata", "data usage"),
                            ("package", "package"),
                        ],
                        max_length=8,
                        verbose_name="check",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("single", "one card"),
                            ("batch", "a list of cards"),
                            ("by_condition", "by condition"),
                        ],
                        max_length=12,
                        verbose_name="kind",
                    ),
                ),
                ("condition", models.JSONField(blank=True, default=dict, verbose_name="condition")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("finished", "finished"),
                            ("cancelled", "cancelled"),
                        ],
                        default="queued",
                        max_length=9,
                        verbose_name="status",
                    ),
                ),
                ("accepted", models.PositiveIntegerField(default=0, verbose_name="accepted")),
                ("skipped", models.PositiveIntegerField(default=0, verbose_name="skipped")),
                ("done", models.PositiveIntegerField(default=0, verbose_name="done")),
                ("failed", models.PositiveIntegerField(default=0, verbose_name="failed")),
                ("created_at", models.DateTimeField(verbose_name="requested at")),
                ("started_at", models.DateTimeField(blank=True, null=True, verbose_name="started at")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended at")),
                (
                    "requester",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
            ],
            options={
                "verbose_name": "manual trigger",
                "verbose_name_plural": "manual triggers",
                "indexes": [
                    models.Index(fields=["requester", "created_at"], name="manualtrigger_of_user"),
                    models.Index(
                        condition=models.Q(("ended_at", None)), fields=["id"], name="manualtrigger_open"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("task_type__in", ["realname", "carddata", "package"])),
                        name="manualtrigger_task_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["single", "batch", "by_condition"])),
                        name="manualtrigger_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("status__in", ["queued", "running"])),
                            models.Q(("ended_at__isnull", False), ("status__in", ["finished", "cancelled"])),
                            _connector="OR",
                        ),
                        name="manualtrigger_ended_when_it_ended",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ManualItem",
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
                        choices=[
                            ("realname", "real-name verification"),
                            ("carddata", "data usage"),
                            ("package", "package"),
                        ],
                        max_length=8,
                        verbose_name="check",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="queued",
                        max_length=9,
                        verbose_name="status",
                    ),
                ),
                ("result", models.CharField(blank=True, max_length=200, verbose_name="result")),
                (
                    "card",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="cards.card",
                        verbose_name="card",
                    ),
                ),
                (
                    "trigger",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="polling.manualtrigger",
                        verbose_name="trigger",
                    ),
                ),
            ],
            options={
                "verbose_name": "item of a manual trigger",
                "verbose_name_plural": "items of manual triggers",
                "indexes": [
                    models.Index(fields=["trigger", "id"], name="manualitem_of_trigger"),
                    models.Index(fields=["card", "id"], name="manualitem_of_card"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("task_type__in", ["realname", "carddata", "package"])),
                        name="manualitem_task_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["queued", "done", "failed", "cancelled"])),
                        name="manualitem_status_known",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "queued")),
                        fields=("card", "task_type"),
                        name="manualitem_queued_once",
                    ),
                ],
            },
        ),
    ]
