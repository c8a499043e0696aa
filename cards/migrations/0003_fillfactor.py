"""Rows that every check rewrites get room for their next version on the same page (HOT updates)."""

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
