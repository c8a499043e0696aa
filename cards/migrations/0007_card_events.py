import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cards", "0006_subscriptions"),
    ]

    operations = [
        migrations.CreateModel(
            name="CardEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("real_name", "real-name status"),
                            ("network", "network status"),
                            ("status", "status"),
                            ("category", "category"),
                            ("agent", "agent"),
                            ("device", "device"),
                            ("polling", "polled"),
                            ("deleted", "deleted"),
                        ],
                        max_length=9,
                        verbose_name="what",
                    ),
                ),
                ("before", models.CharField(blank=True, max_length=64, verbose_name="before")),
                ("after", models.CharField(blank=True, max_length=64, verbose_name="after")),
                ("cause", models.CharField(max_length=200, verbose_name="cause")),
                (
                    "card",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="cards.card",
                        verbose_name="card",
                    ),
                ),
            ],
            options={
                "verbose_name": "card event",
                "verbose_name_plural": "card events",
                "indexes": [
                    models.Index(fields=["card", "id"], name="cardevent_story"),
                    models.Index(fields=["kind", "id"], name="cardevent_kind_page"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "created",
                                    "real_name",
                                    "network",
                                    "status",
                                    "category",
                                    "agent",
                                    "device",
                                    "polling",
                                    "deleted",
                                ],
                            )
                        ),
                        name="cardevent_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cause", ""), _negated=True), name="cardevent_cause_given"
                    ),
                ],
            },
        ),
    ]
