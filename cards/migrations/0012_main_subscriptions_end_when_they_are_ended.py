"""`ends_at` of a main subscription is the moment at which it was ended: open is `ends_at IS NULL`, and at most one is.

Else several that end in the future could be in force at once. A CHECK cannot ask what time it is. A minute is for
clocks that differ.
"""

from django.db import migrations

TRIGGER = """
CREATE FUNCTION cards_main_subscription_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a main subscription ends when it is ended, not ahead of time'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'subscription_main_ends_now', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER subscription_main_ends_now BEFORE INSERT OR UPDATE ON cards_subscription
    FOR EACH ROW WHEN (NEW.kind = 'main' AND NEW.ends_at > now() + interval '1 minute')
    EXECUTE FUNCTION cards_main_subscription_ends();
"""
UNDO = """
DROP TRIGGER subscription_main_ends_now ON cards_subscription;
DROP FUNCTION cards_main_subscription_ends();
"""


class Migration(migrations.Migration):
    dependencies = (("cards", "0011_subscription_fillfactor"),)
    operations = (migrations.RunSQL(TRIGGER, UNDO),)
