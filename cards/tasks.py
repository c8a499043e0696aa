"""The Celery tasks of the app."""

from celery import shared_task

from cards import usage_partitions
from common import database


@shared_task(name="cards.make_usage_partitions", soft_time_limit=60, time_limit=90)
def make_usage_partitions() -> None:
    """Create the missing partitions of the usage history for today and the next 7 days."""
    usage_partitions.make_ahead(database.now().date())
