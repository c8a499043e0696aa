"""Encrypt the fingerprint of stored answers, instead of deriving it from SECRET_KEY.

A fingerprint of the old kind cannot be converted, so the answers of the last 24 hours are deleted.
"""

from django.db import migrations

import common.fields

EMPTY = "DELETE FROM common_storedanswer"


class Migration(migrations.Migration):
    dependencies = (("common", "0001_initial"),)

    operations = (
        migrations.RunSQL(EMPTY, EMPTY),
        migrations.AlterField("storedanswer", "fingerprint", common.fields.EncryptedTextField()),
    )
