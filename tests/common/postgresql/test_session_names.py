import pytest
from django.db import connection


@pytest.mark.django_db
def test_sessions_of_postgresql_have_a_name() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW application_name")
        assert cursor.fetchone() == ("simwatch",)
