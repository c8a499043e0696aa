from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import CommandError
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.functions import Right

import cards.models.card

FUNCTION = """
CREATE FUNCTION cards_sim_of(iccid text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    -- The ICCID without filling F or check digit (Luhn), as in carriers/iccids.py.
    SELECT CASE
        WHEN length(iccid) <> 20 THEN iccid
        WHEN right(iccid, 1) = 'F' THEN left(iccid, 19)
        WHEN iccid ~ '^[0-9]{20}$' AND (
            SELECT sum(CASE WHEN place % 2 = 1 THEN digit * 2 / 10 + digit * 2 % 10 ELSE digit END) % 10
            FROM (SELECT place, ascii(substr(iccid, place, 1)) - 48 AS digit FROM generate_series(1, 20) AS place)
        ) = 0 THEN left(iccid, 19)
        ELSE iccid
    END
$$
"""
TWINS = """
SELECT array_agg(id ORDER BY id) FROM cards_card WHERE deleted_at IS NULL
GROUP BY cards_sim_of(iccid) HAVING count(*) > 1 LIMIT 5
"""
UNIQUE = """
CREATE UNIQUE INDEX CONCURRENTLY card_sim_unique ON cards_card (cards_sim_of(iccid)) WHERE deleted_at IS NULL
"""


def refuse_twins(_: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Raise an error that names the cards that are the same SIM card."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(TWINS)
        twins = [" and ".join(map(str, ids)) for (ids,) in cursor.fetchall()]
    if twins:
        raise CommandError(
            f"these cards are the same SIM card, written differently: {'; '.join(twins)}. "
            "Delete one of each in the admin, and migrate again."
        )


class Migration(migrations.Migration):
    # An index that is built concurrently cannot be part of a transaction.
    atomic = False
    dependencies = [("cards", "0025_late_counters")]
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION cards_sim_of(text)"),
        migrations.RunPython(refuse_twins, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(UNIQUE, "DROP INDEX card_sim_unique")],
            state_operations=[
                migrations.AddConstraint(
                    "card",
                    models.UniqueConstraint(
                        cards.models.card.SimOf("iccid"),
                        condition=models.Q(deleted_at__isnull=True),
                        name="card_sim_unique",
                    ),
                )
            ],
        ),
        AddIndexConcurrently("card", models.Index(Right("iccid", 6), name="card_iccid_end")),
    ]
