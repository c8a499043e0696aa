"""Epochs come from PostgreSQL: a Redis that lost everything must not hand out an old one again."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = (("polling", "0001_initial"),)
    operations = (
        migrations.RunSQL(
            # 2^21 epochs and 2^32 claims in each fit into what Lua can count exactly (2^53).
            "CREATE SEQUENCE polling_epoch AS bigint MAXVALUE 2097151",
            "DROP SEQUENCE polling_epoch",
        ),
    )
