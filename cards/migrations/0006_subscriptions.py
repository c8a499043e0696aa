import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cards", "0005_devices"),
    ]

    operations = [
        migrations.CreateModel(
            name="Plan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(max_length=64, unique=True, verbose_name="code")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "quota_mb",
                    models.DecimalField(
                        decimal_places=3,
                        max_digits=18,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="quota sold (MB)",
                    ),
                ),
                (
                    "virtual_quota_mb",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        help_text="usage is held against it; empty: the quota that was sold",
                        max_digits=18,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="quota that counts (MB)",
                    ),
                ),
                (
                    "cycle",
                    models.CharField(
                        choices=[
                            ("month", "a billing month of the carrier"),
                            ("days_90", "90 days"),
                            ("days_180", "180 days"),
                            ("days_360", "360 days"),
                        ],
                        default="month",
                        max_length=8,
                        verbose_name="period",
                    ),
                ),
                (
                    "auto_suspend",
                    models.CharField(
                        choices=[
                            ("on", "suspend"),
                            ("shadow", "only say what would be suspended"),
                            ("off", "nothing"),
                        ],
                        default="shadow",
                        max_length=6,
                        verbose_name="when over quota",
                    ),
                ),
            ],
            options={
                "verbose_name": "plan",
                "verbose_name_plural": "plans",
                "ordering": ("code",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("quota_mb__gte", 0),
                            models.Q(
                                ("virtual_quota_mb__isnull", True),
                                ("virtual_quota_mb__gte", 0),
                                _connector="OR",
                            ),
                        ),
                        name="plan_quotas_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cycle__in", ["month", "days_90", "days_180", "days_360"])),
                        name="plan_cycle_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("auto_suspend__in", ["on", "shadow", "off"])),
                        name="plan_auto_suspend_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("main", "main"), ("add_on", "add-on")],
                        default="main",
                        max_length=6,
                        verbose_name="kind",
                    ),
                ),
                (
                    "cycle",
                    models.CharField(
                        choices=[
                            ("month", "a billing month of the carrier"),
                            ("days_90", "90 days"),
                            ("days_180", "180 days"),
                            ("days_360", "360 days"),
                        ],
                        default="month",
                        max_length=8,
                        verbose_name="period",
                    ),
                ),
                (
                    "quota_mb",
                    models.DecimalField(decimal_places=3, max_digits=18, verbose_name="quota sold (MB)"),
                ),
                (
                    "virtual_quota_mb",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=18,
                        null=True,
                        verbose_name="quota that counts (MB)",
                    ),
                ),
                ("starts_at", models.DateTimeField(verbose_name="starts at")),
                ("ends_at", models.DateTimeField(blank=True, null=True, verbose_name="ends at")),
                ("period_start", models.DateField(verbose_name="period began on")),
                (
                    "used_mb",
                    models.DecimalField(
                        decimal_places=3, default=0, max_digits=18, verbose_name="used in the period (MB)"
                    ),
                ),
                (
                    "quota_version",
                    models.PositiveIntegerField(default=1, verbose_name="version of the quota"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("normal", "normal"),
                            ("near", "near its quota"),
                            ("over", "over its quota"),
                        ],
                        default="normal",
                        max_length=6,
                        verbose_name="state",
                    ),
                ),
                ("judged_at", models.DateTimeField(blank=True, null=True, verbose_name="judged at")),
                (
                    "card",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cards.card",
                        verbose_name="card",
                    ),
                ),
                (
                    "carrier",
                    models.ForeignKey(
                        db_index=False,
                        help_text="its time zone and billing months count",
                        on_delete=django.db.models.deletion.PROTECT,
                        to="carriers.carrier",
                        verbose_name="carrier",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cards.device",
                        verbose_name="device",
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cards.plan",
                        verbose_name="plan",
                    ),
                ),
            ],
            options={
                "verbose_name": "subscription",
                "verbose_name_plural": "subscriptions",
                "indexes": [
                    models.Index(
                        condition=models.Q(("card__isnull", False)), fields=["card"], name="subscription_card"
                    ),
                    models.Index(
                        condition=models.Q(("device__isnull", False)),
                        fields=["device"],
                        name="subscription_device",
                    ),
                    models.Index(fields=["plan", "id"], name="subscription_plan_page"),
                    models.Index(
                        condition=models.Q(("kind", "add_on")), fields=["id"], name="subscription_add_on"
                    ),
                    models.Index(
                        condition=models.Q(("state", "normal"), _negated=True),
                        fields=["state", "id"],
                        name="subscription_not_normal",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("card__isnull", True), ("device__isnull", False)),
                            models.Q(("card__isnull", False), ("device__isnull", True)),
                            _connector="OR",
                        ),
                        name="subscription_of_card_or_device",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["main", "add_on"])), name="subscription_kind_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cycle__in", ["month", "days_90", "days_180", "days_360"])),
                        name="subscription_cycle_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["normal", "near", "over"])),
                        name="subscription_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("quota_mb__gte", 0),
                            ("used_mb__gte", 0),
                            models.Q(
                                ("virtual_quota_mb__isnull", True),
                                ("virtual_quota_mb__gte", 0),
                                _connector="OR",
                            ),
                        ),
                        name="subscription_amounts_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ends_at__isnull", True),
                            ("ends_at__gte", models.F("starts_at")),
                            _connector="OR",
                        ),
                        name="subscription_ends_after_start",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("quota_version__gte", 1)), name="subscription_version_positive"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ends_at__isnull", True), ("kind", "main")),
                        fields=("card",),
                        name="subscription_one_main_per_card",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ends_at__isnull", True), ("kind", "main")),
                        fields=("device",),
                        name="subscription_one_main_per_device",
                    ),
                ],
            },
        ),
    ]
