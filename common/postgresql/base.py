"""Django's backend for PostgreSQL (`ENGINE`), with connections that a thread need not wait for for ever."""

from typing import Any

from django.db.backends.postgresql import base

from common.postgresql.query_deadline import DeadlineConnection, patient


class DatabaseWrapper(base.DatabaseWrapper):
    """Makes such connections."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> DeadlineConnection:
        """See Django."""
        return patient(super().get_new_connection(conn_params))
