import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cards", "0004_parked_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="Device",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("serial", models.CharField(max_length=64, verbose_name="serial number")),
                (
                    "imei",
                    models.CharField(
                        blank=True,
                        max_length=15,
                        null=True,
                        validators=[
                            django.core.validators.RegexValidator("^[0-9]{14,15}$", "14 or 15 digits")
                        ],
                        verbose_name="IMEI",
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=200, verbose_name="name")),
                (
                    "agent",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.agent",
                        verbose_name="agent",
                    ),
                ),
            ],
            options={
                "verbose_name": "device",
                "verbose_name_plural": "devices",
                "indexes": [models.Index(fields=["agent", "id"], name="device_agent_page")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("serial",), name="device_serial_unique", opclasses=["text_pattern_ops"]
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("serial", ""), _negated=True), name="device_serial_given"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("imei__isnull", True), ("imei__regex", "^[0-9]{14,15}$"), _connector="OR"
                        ),
                        name="device_imei_shape",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="card",
            name="device",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="cards.device",
                verbose_name="device",
            ),
        ),
    ]
