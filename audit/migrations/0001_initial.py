import django.core.serializers.json
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Operation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("actor_name", models.CharField(max_length=150, verbose_name="actor's name")),
                ("action", models.CharField(max_length=32, verbose_name="action")),
                ("target_type", models.CharField(max_length=64, verbose_name="type of target")),
                ("target_id", models.CharField(blank=True, max_length=64, verbose_name="target")),
                (
                    "before",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="before",
                    ),
                ),
                (
                    "after",
                    models.JSONField(
                        blank=True,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                        verbose_name="after",
                    ),
                ),
                (
                    "client_ip",
                    models.GenericIPAddressField(blank=True, null=True, verbose_name="client's address"),
                ),
                (
                    "server_ip",
                    models.GenericIPAddressField(blank=True, null=True, verbose_name="server's address"),
                ),
                ("request_id", models.CharField(max_length=64, verbose_name="request id")),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="at"
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="empty: the system",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="actor",
                    ),
                ),
            ],
            options={
                "verbose_name": "operation",
                "verbose_name_plural": "operations",
                "indexes": [
                    models.Index(fields=["actor", "id"], name="operation_actor"),
                    models.Index(fields=["action", "id"], name="operation_action"),
                    models.Index(fields=["target_type", "id"], name="operation_type"),
                    models.Index(fields=["target_type", "target_id", "id"], name="operation_target"),
                    models.Index(fields=["at"], name="operation_at"),
                ],
            },
        ),
    ]
