from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("cards", "0004_parked_index"),
        ("polling", "0003_minute_stat"),
    ]

    operations = [
        migrations.CreateModel(
            name="ParkedCheck",
            fields=[],
            options={
                "verbose_name": "parked card",
                "verbose_name_plural": "parked cards",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("cards.checkstate",),
        ),
    ]
