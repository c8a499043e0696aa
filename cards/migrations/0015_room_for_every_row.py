"""Fill pages to less than half, because all rows of a page get their new versions at about the same time.

The rows of a page belong to neighbours, which fall due together. With a fillfactor of 70 %, every second new
version went to another page and needed a new entry in each index (no HOT update).
"""

from django.db import migrations

TABLES = ("cards_checkstate", "cards_cardusage", "cards_subscription")


class Migration(migrations.Migration):
    dependencies = (("cards", "0014_labels_of_states"),)
    operations = tuple(
        migrations.RunSQL(
            f"ALTER TABLE {table} SET (fillfactor = 45)", f"ALTER TABLE {table} SET (fillfactor = 70)"
        )
        for table in TABLES
    )
