"""The `/gateways/{id}/test-call` endpoint: call a gateway once to see whether it answers."""

import asyncio
import time
from random import Random
from typing import Any

from django.conf import settings
from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import MayOperate
from audit.models import Action
from audit.recording import record
from carriers.breakers import Breakers
from carriers.gateway_calls import GatewayCalls
from carriers.limits import rate_of, slots_of
from carriers.models import Gateway
from common.api.query_params import ValidatedQueryView
from common.errors import DomainError
from common.http.outgoing import Outgoing
from common.redis.client import for_web
from polling.checks.test_call import failure_reason, sample_of

ID_IN_PATH = OpenApiParameter("id", int, OpenApiParameter.PATH)


class GatewayCallSerializer(serializers.Serializer[Any]):
    """The outcome of a test call."""

    gateway_id = serializers.IntegerField()
    iccid = serializers.CharField(help_text="ICCID of the card that the call asked about")
    has_answered = serializers.BooleanField()
    trouble = serializers.CharField(help_text="why the call failed; empty if the gateway answered")
    duration_ms = serializers.IntegerField()


@extend_schema(parameters=[ID_IN_PATH])
class GatewayCallView(ValidatedQueryView):
    """A test call to one gateway.

    Like the call of a check, a test call takes one of the gateway's slots and keeps to the gateway's rate. A
    gateway that is disabled, paused or resting is called too, so that an operator can see whether it answers
    again. The call lasts at most as long as the gateway's timeout.
    """

    permission_classes = (MayOperate,)

    @extend_schema(request=None, responses=GatewayCallSerializer)
    def post(self, request: Request, pk: str) -> Response:
        """Ask the gateway about one card. Return whether the gateway answered. Its answer is not stored.

        If it answers, its breaker closes, and a rest that it has asked for ends.
        """
        gateway = Gateway.objects.visible_to(request.user).filter(pk=pk).first()
        if gateway is None:
            raise DomainError("There is no such gateway.", code="gateway_not_found", status=404)
        iccid = sample_of(gateway, Random())
        if iccid is None:
            raise DomainError(
                "The gateway has no card to ask about.",
                code="gateway_without_cards",
                status=409,
            )
        outcome = _call(gateway, iccid)
        with transaction.atomic():
            record(request.user, Action.CALLED, gateway, after=outcome)
        return Response(GatewayCallSerializer(outcome).data)


def _call(gateway: Gateway, iccid: str) -> dict[str, Any]:
    with slots_of(for_web(), gateway.pk).hold() as slots:
        slots.grow_to(1)
        if not (len(slots) and _wait_for_turn(gateway)):
            raise DomainError(
                "The gateway takes no more calls now.", code="polling_concurrency_limit", status=409
            )
        started = time.perf_counter()
        trouble = asyncio.run(_ask(gateway, iccid))
        duration = round((time.perf_counter() - started) * 1000)
    if not trouble:
        GatewayCalls(for_web()).add(gateway.pk, answered=1, failures={})
        Breakers(for_web()).end_trial(gateway.pk, has_answered=True)
    return {
        "gateway_id": gateway.pk,
        "iccid": iccid,
        "has_answered": not trouble,
        "trouble": trouble,
        "duration_ms": duration,
    }


def _wait_for_turn(gateway: Gateway) -> bool:
    """Reserve a turn to call the gateway within the next `HORIZON_SECONDS`, and wait until the turn begins.

    Return True if the call may be made now. If no turn is free within that time, return False at once.
    """
    if gateway.calls_per_second is None:
        return True
    turn = rate_of(for_web(), gateway.pk).reserve(1, per_second=gateway.calls_per_second)
    time.sleep(turn.first if turn.count else 0)
    return turn.count > 0


async def _ask(gateway: Gateway, iccid: str) -> str:
    networks = settings.COMMON.gateway_networks
    async with Outgoing(allowed_networks=networks, connections=1) as outgoing:
        return await failure_reason(gateway, iccid, outgoing)
