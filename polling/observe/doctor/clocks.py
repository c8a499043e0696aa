"""Examine the clocks of the servers and of all machines that have compared theirs with Redis' lately."""

from redis import Redis

from common.clocks import differences, disagreement
from polling.observe.doctor.finding import Finding, ok, trouble


def examine(redis: Redis) -> Finding:
    """Return the finding about the clocks."""
    found = differences(redis)
    if wrong := disagreement(found):
        return trouble(
            "clocks",
            wrong,
            "synchronise the clocks of all machines (NTP): gateways refuse calls with a wrong time",
        )
    return ok("clocks", f"those of {', '.join(sorted(found))} agree with that of Redis")
