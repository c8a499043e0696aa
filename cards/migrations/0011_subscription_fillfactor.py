"""Leave room on each page for new row versions (HOT updates), because metering often rewrites `used_mb`."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = (("cards", "0010_card_filters"),)
    operations = (
        migrations.RunSQL(
            "ALTER TABLE cards_subscription SET (fillfactor = 70)",
            "ALTER TABLE cards_subscription RESET (fillfactor)",
        ),
    )
