import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "__first__"),
        ("cards", "0007_card_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="ServiceOrder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[("suspend", "suspend"), ("resume", "resume")],
                        max_length=7,
                        verbose_name="action",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("quota", "over its quota"),
                            ("manual", "a person asked for it"),
                            ("cycle", "a new period began"),
                            ("top_up", "more quota was bought"),
                        ],
                        max_length=6,
                        verbose_name="reason",
                    ),
                ),
                ("cycle_start", models.DateField(blank=True, null=True, verbose_name="period began on")),
                (
                    "quota_version",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="version of the quota"),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("proposed", "proposed"),
                            ("verifying", "verifying"),
                            ("sending", "sending"),
                            ("confirmed", "confirmed"),
                            ("unknown", "outcome not known"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                            ("held", "held"),
                        ],
                        default="proposed",
                        max_length=9,
                        verbose_name="status",
                    ),
                ),
                (
                    "idempotency_key",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, unique=True, verbose_name="idempotency key"
                    ),
                ),
                ("evidence", models.JSONField(blank=True, default=dict, verbose_name="evidence")),
                ("claimed_until", models.DateTimeField(blank=True, null=True, verbose_name="claimed until")),
                ("attempts", models.PositiveIntegerField(default=0, verbose_name="attempts")),
                ("error", models.CharField(blank=True, max_length=200, verbose_name="error")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent at")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended at")),
                (
                    "card",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="cards.card",
                        verbose_name="card",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="requested by",
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cards.subscription",
                        verbose_name="subscription",
                    ),
                ),
            ],
            options={
                "verbose_name": "service order",
                "verbose_name_plural": "service orders",
                "indexes": [
                    models.Index(fields=["card", "id"], name="serviceorder_of_card"),
                    models.Index(fields=["status", "id"], name="serviceorder_status_page"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ("failed", "cancelled")), _negated=True),
                        fields=("card", "action", "cycle_start", "quota_version"),
                        name="serviceorder_one_intent",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("status__in", ("confirmed", "failed", "cancelled")), _negated=True
                        ),
                        fields=("card",),
                        name="serviceorder_one_open_per_card",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("action", "suspend"), ("reason__in", ["quota", "manual"])),
                            models.Q(("action", "resume"), ("reason__in", ["manual", "cycle", "top_up"])),
                            _connector="OR",
                        ),
                        name="serviceorder_reason_fits_action",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("cycle_start", None),
                                ("quota_version", None),
                                ("reason", "manual"),
                                ("requested_by__isnull", False),
                            ),
                            models.Q(
                                models.Q(("reason", "manual"), _negated=True),
                                ("cycle_start__isnull", False),
                                ("quota_version__isnull", False),
                                ("subscription__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="serviceorder_says_whose_quota",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("ended_at__isnull", True),
                                ("status__in", ["proposed", "verifying", "sending", "unknown", "held"]),
                            ),
                            models.Q(
                                ("ended_at__isnull", False),
                                ("status__in", ("confirmed", "failed", "cancelled")),
                            ),
                            _connector="OR",
                        ),
                        name="serviceorder_ended_when_it_ended",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="card",
            name="suspended_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="cards.serviceorder",
                verbose_name="suspended by",
            ),
        ),
    ]
