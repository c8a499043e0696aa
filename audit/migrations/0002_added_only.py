"""Refuse to change, delete or truncate operations, even if `session_replication_role` is `replica`."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'operations are only ever added' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER operation_rows_stay BEFORE UPDATE OR DELETE ON audit_operation
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER operation_table_stays BEFORE TRUNCATE ON audit_operation
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_operation ENABLE ALWAYS TRIGGER operation_rows_stay;
ALTER TABLE audit_operation ENABLE ALWAYS TRIGGER operation_table_stays;
"""
BACKWARD = """
DROP TRIGGER operation_table_stays ON audit_operation;
DROP TRIGGER operation_rows_stay ON audit_operation;
DROP FUNCTION audit_refuse();
"""


class Migration(migrations.Migration):
    dependencies = (("audit", "0001_initial"),)
    operations = (migrations.RunSQL(FORWARD, BACKWARD),)
