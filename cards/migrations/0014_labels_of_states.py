from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cards", "0013_failing_index")]
    operations = [
        migrations.AlterField(
            model_name="card",
            name="network_checked_at",
            field=models.DateTimeField(
                blank=True, editable=False, null=True, verbose_name="network status since"
            ),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="judged_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="in this state since"),
        ),
    ]
