import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("polling", "0005_pauses"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClassCensus",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "category",
                    models.CharField(
                        choices=[("normal", "normal"), ("industry", "industry (M2M)")],
                        max_length=8,
                        verbose_name="category",
                    ),
                ),
                (
                    "status",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "in stock"), (2, "distributed"), (3, "activated"), (4, "deactivated")],
                        verbose_name="status",
                    ),
                ),
                (
                    "real_name_status",
                    models.CharField(
                        choices=[
                            ("unverified", "unverified"),
                            ("verified", "verified"),
                            ("unknown", "unknown"),
                        ],
                        max_length=10,
                        verbose_name="real-name status",
                    ),
                ),
                (
                    "network_status",
                    models.CharField(
                        choices=[("online", "online"), ("stopped", "stopped"), ("unknown", "unknown")],
                        max_length=7,
                        verbose_name="network status",
                    ),
                ),
                ("enable_polling", models.BooleanField(verbose_name="polled")),
                ("cards", models.PositiveBigIntegerField(verbose_name="cards")),
                (
                    "realname_interval",
                    models.PositiveIntegerField(
                        help_text="seconds; empty: not checked",
                        null=True,
                        verbose_name="real-name check every (s)",
                    ),
                ),
                (
                    "carddata_interval",
                    models.PositiveIntegerField(
                        help_text="seconds; empty: not checked",
                        null=True,
                        verbose_name="data usage check every (s)",
                    ),
                ),
                (
                    "package_interval",
                    models.PositiveIntegerField(
                        help_text="seconds; empty: not checked",
                        null=True,
                        verbose_name="package check every (s)",
                    ),
                ),
                (
                    "carrier",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="carriers.carrier",
                        verbose_name="carrier",
                    ),
                ),
            ],
            options={
                "verbose_name": "class of cards",
                "verbose_name_plural": "census of cards",
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "carrier",
                            "category",
                            "status",
                            "real_name_status",
                            "network_status",
                            "enable_polling",
                        ),
                        name="classcensus_one_row_per_class",
                    )
                ],
            },
        ),
    ]
