"""Refuse a main subscription whose `ends_at` is in the future. `ends_at` is NULL until the subscription ends.

Otherwise, several main subscriptions of one owner could be in force at once, because the unique constraints
cover only rows whose `ends_at` is NULL. This is a trigger, because a CHECK must not use the current time. The
trigger accepts times up to one minute in the future, because clocks differ.
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
