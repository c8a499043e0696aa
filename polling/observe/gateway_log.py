"""Log when a gateway begins to fail, once a minute while it fails, and when it works again."""

from typing import Final, cast

import structlog
from redis import Redis

from carriers.models import Gateway
from polling.observe import gateway_states
from polling.observe.gateway_states import GatewayStatus, State
from polling.schedule import keys

REPEAT_SECONDS: Final = 60

log = structlog.get_logger(__name__)


def watch(redis: Redis, *, now: float) -> None:
    """Log what has changed. A periodic task calls this, so that each gateway is named once, not by every worker.

    `now` is in unix seconds by Redis' clock. Sample::

        polling:failing-gateways    hash    3 -> 1790000000 (when its failure was last logged)
    """
    logged = cast("dict[str, str]", redis.hgetall(keys.FAILING_GATEWAYS))
    for status in gateway_states.read(list(Gateway.objects.all())).values():
        number = str(status.gateway.pk)
        if status.is_trouble:
            if now - float(logged.get(number, 0)) >= REPEAT_SECONDS:
                redis.hset(keys.FAILING_GATEWAYS, number, str(now))
                log.error("gateway_failing", **_described(status), is_new=number not in logged)
        elif number in logged and status.state is not State.UNKNOWN:
            redis.hdel(keys.FAILING_GATEWAYS, number)
            log.info("gateway_not_failing", **_described(status))


def _described(status: GatewayStatus) -> dict[str, object]:
    return {"gateway_id": status.gateway.pk, "gateway": status.gateway.name, "state": status.words}
