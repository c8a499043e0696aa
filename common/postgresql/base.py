"""Django's PostgreSQL backend with connections that obey a query deadline. `ENGINE` names this package."""

from typing import Any

from django.db.backends.postgresql import base

from common.postgresql import far_times
from common.postgresql.query_deadline import DeadlineConnection, with_deadline


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's database wrapper, using `DeadlineConnection` for its connections. They read all times."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> DeadlineConnection:
        connection = with_deadline(super().get_new_connection(conn_params))
        far_times.accept(connection)
        return connection
