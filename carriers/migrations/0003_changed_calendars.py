from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("carriers", "0002_plain_labels"),
    ]

    operations = [
        migrations.AddField(
            model_name="carrier",
            name="calendar_changed_at",
            field=models.DateTimeField(
                editable=False, null=True, verbose_name="time zone or billing day changed at"
            ),
        ),
    ]
