"""Template tags for the admin's start page: what the doctor finds, and what each gateway does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template

from accounts.scoping import sees_everything
from carriers.models import Gateway
from common.outages import one_line
from common.redis.client import for_web
from polling.observe import gateway_states
from polling.observe.doctor.diagnosis import glance
from polling.observe.doctor.finding import Finding, Verdict, trouble
from polling.observe.gateway_states import GatewayStatus

register = template.Library()


@dataclass(frozen=True)
class Overview:
    """What needs attention, troubles first, and the status of every gateway."""

    findings: Sequence[Finding]
    gateways: Sequence[GatewayStatus]

    @property
    def troubles(self) -> int:
        """Return how many findings need action."""
        return sum(finding.verdict is Verdict.TROUBLE for finding in self.findings)


@register.simple_tag(takes_context=True)
def overview(context: Mapping[str, Any]) -> Overview | None:
    """Return the overview for users who see the whole system; None for others."""
    if not sees_everything(context["request"].user):
        return None
    findings = [finding for finding in _findings() if finding.verdict is not Verdict.OK]
    # Python's sort is stable, so causes stay before their consequences.
    findings.sort(key=lambda finding: finding.verdict is not Verdict.TROUBLE)
    gateways = list(Gateway.objects.select_related("carrier"))
    return Overview(findings, list(gateway_states.read(gateways).values()))


def _findings() -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(glance(for_web()))
    except Exception as error:
        reason = one_line(error)
        if reason is None:
            raise
        found.append(trouble("servers", reason, "reload this page; if it stays, run `bin/manage doctor`"))
    return found
