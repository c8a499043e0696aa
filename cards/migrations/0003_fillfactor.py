"""Leave room on each page for new row versions (HOT updates), because every check rewrites these rows."""

from django.db import migrations

TABLES = ("cards_checkstate", "cards_cardusage")


class Migration(migrations.Migration):
    dependencies = (("cards", "0002_usage_record_partitions"),)
    operations = tuple(
        migrations.RunSQL(
            f"ALTER TABLE {table} SET (fillfactor = 70)", f"ALTER TABLE {table} RESET (fillfactor)"
        )
        for table in TABLES
    )
