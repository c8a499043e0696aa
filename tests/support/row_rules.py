"""Random rows for the domain's tables, and rules in plain Python that decide which rows are valid."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

from cards.models import Card, CardEvent, Device, Exemption, Plan, ServiceOrder, Subscription
from polling.models import ManualItem, ManualTrigger, Pause

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
# This moment is in the future, whatever the current date is.
LATER = datetime(2100, 1, 1, tzinfo=UTC)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class RowIds:
    """The ids of existing rows, for foreign keys to point to."""

    carrier: int
    agent: int
    card: int
    device: int
    plan: int
    gateway: int
    user: int
    subscription: int
    trigger: int


def pick(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def maybe(name: str) -> st.SearchStrategy[Any]:
    """Return a strategy that draws `name` or None. A test replaces the name with an id from `RowIds`."""
    return pick(name, None)


# Most values are valid, so that a row with several amounts is valid often enough.
AMOUNTS = pick(Decimal("-0.001"), Decimal(0), Decimal("0.001"), Decimal(5))
KINDS = [kind.value for kind in CardEvent.Kind]
ORDER_STATUSES = [status.value for status in ServiceOrder.Status]


def exactly_one(row: Row, *names: str) -> bool:
    return sum(row[name] not in (None, "") for name in names) == 1


def card_is_valid(row: Row) -> bool:
    return bool(
        re.fullmatch("[0-9A-F]{18,22}", row["iccid"])
        and (row["imsi"] is None or re.fullmatch("[0-9]{6,15}", row["imsi"]))
        and row["category"] in {"normal", "industry"}
        and 1 <= row["status"] <= 4
    )


def order_is_valid(row: Row) -> bool:
    is_manual = row["reason"] == "manual"
    fits = row["reason"] in {"suspend": {"quota", "manual"}, "resume": {"manual", "cycle", "top_up"}}.get(
        row["action"], set()
    )
    period = (row["cycle_start"], row["quota_version"])
    has_origin = (
        row["requested_by_id"] is not None and period == (None, None)
        if is_manual
        else row["subscription_id"] is not None and None not in period
    )
    has_ended = row["status"] in {"confirmed", "failed", "cancelled"}
    return (
        fits and has_origin and row["status"] in ORDER_STATUSES and has_ended == (row["ended_at"] is not None)
    )


RULES: dict[Any, tuple[st.SearchStrategy[Row], Callable[[Row], bool]]] = {
    Card: (
        st.fixed_dictionaries(
            {
                "iccid": st.one_of(
                    st.text("09AF", min_size=16, max_size=22), pick("89860000000000000x", "8986 0000000000000000")
                ),
                "imsi": pick(None, "", "12345", "123456", "123456789012345", "46000x"),
                "category": pick("normal", "industry", "other", ""),
                "status": st.integers(0, 5),
                "carrier_id": pick("carrier"),
                "agent_id": pick("agent"),
                "real_name_status": pick("unknown"),
                "network_status": pick("unknown"),
                "enable_polling": pick(True),
            }
        ),
        card_is_valid,
    ),
    Device: (
        st.fixed_dictionaries(
            {
                "serial": pick("", "A", "B-1"),
                "imei": pick(None, "", "12345678901234", "123456789012345", "1234567890123456", "x" * 15),
                "name": pick(""),
                "agent_id": pick("agent"),
            }
        ),
        lambda row: row["serial"] != "" and (row["imei"] is None or bool(re.fullmatch("[0-9]{14,15}", row["imei"]))),
    ),
    Plan: (
        st.fixed_dictionaries(
            {
                "code": pick("p"),
                "name": pick("P"),
                "quota_mb": AMOUNTS,
                "virtual_quota_mb": st.one_of(st.none(), AMOUNTS),
                "cycle": pick("month", "days_90", "days_7"),
                "auto_suspend": pick("on", "shadow", "off", ""),
            }
        ),
        lambda row: row["quota_mb"] >= 0
        and (row["virtual_quota_mb"] is None or row["virtual_quota_mb"] >= 0)
        and row["cycle"] != "days_7"
        and row["auto_suspend"] != "",
    ),
    Subscription: (
        st.fixed_dictionaries(
            {
                "card_id": maybe("card"),
                "device_id": maybe("device"),
                "plan_id": pick("plan"),
                "carrier_id": pick("carrier"),
                "kind": pick("main", "add_on", "top_up"),
                "cycle": pick("month", "days_360", "days_7"),
                "quota_mb": AMOUNTS,
                "virtual_quota_mb": st.one_of(st.none(), AMOUNTS),
                "used_mb": AMOUNTS,
                "starts_at": pick(NOW),
                "ends_at": pick(None, NOW - timedelta(seconds=1), NOW, LATER),
                "period_start": pick(date(2026, 5, 1)),
                "quota_version": pick(0, 1, 7),
                "state": pick("normal", "near", "over", "under"),
            }
        ),
        lambda row: exactly_one(row, "card_id", "device_id")
        and row["kind"] != "top_up"
        and row["cycle"] != "days_7"
        and min(row["quota_mb"], row["used_mb"], row["virtual_quota_mb"] or 0) >= 0
        and (row["ends_at"] is None or row["ends_at"] >= NOW)
        # `ends_at` of a main subscription is set when the subscription ends, so it is never in the future.
        and not (row["kind"] == "main" and row["ends_at"] == LATER)
        and row["quota_version"] > 0
        and row["state"] != "under",
    ),
    CardEvent: (
        st.fixed_dictionaries(
            {
                "card_id": pick("card"),
                "at": pick(NOW),
                "kind": pick(*KINDS, "moved"),
                "before": pick(""),
                "after": pick("x"),
                "cause": pick("", "admin"),
            }
        ),
        lambda row: row["kind"] in KINDS and row["cause"] != "",
    ),
    ServiceOrder: (
        st.fixed_dictionaries(
            {
                "card_id": pick("card"),
                "subscription_id": maybe("subscription"),
                "action": pick("suspend", "resume", "stop"),
                "reason": pick("quota", "manual", "cycle", "top_up"),
                "cycle_start": pick(None, date(2026, 5, 1)),
                "quota_version": pick(None, 1),
                "status": pick(*ORDER_STATUSES, "lost"),
                "requested_by_id": maybe("user"),
                "ended_at": pick(None, LATER),
                "idempotency_key": st.builds(uuid4),
                "evidence": pick("{}"),
                "attempts": pick(0),
                "error": pick(""),
                "created_at": pick(NOW),
            }
        ),
        order_is_valid,
    ),
    Exemption: (
        st.fixed_dictionaries(
            {
                "card_id": maybe("card"),
                "agent_id": maybe("agent"),
                "reason": pick("", "VIP"),
                "owner_id": pick("user"),
                "expires_at": pick(LATER),
            }
        ),
        lambda row: exactly_one(row, "card_id", "agent_id") and row["reason"] != "",
    ),
    Pause: (
        st.fixed_dictionaries(
            {
                "task_type": pick("", "realname", "stop_start", "other"),
                "carrier_id": maybe("carrier"),
                "gateway_id": maybe("gateway"),
                "reason": pick("", "works"),
                "owner_id": pick("user"),
                "created_at": pick(NOW),
                "until": pick(NOW - timedelta(hours=1), NOW, LATER),
            }
        ),
        lambda row: exactly_one(row, "task_type", "carrier_id", "gateway_id")
        and row["task_type"] != "other"
        and row["reason"] != ""
        and row["until"] > NOW,
    ),
    ManualTrigger: (
        st.fixed_dictionaries(
            {
                "id": pick(1),
                "requester_id": pick("user"),
                "task_type": pick("realname", "carddata", "package", "stop_start"),
                "kind": pick("single", "batch", "by_condition", "all"),
                "condition": pick("{}"),
                "status": pick("queued", "running", "finished", "cancelled", "lost"),
                "accepted": pick(0, -1),
                "skipped": pick(0),
                "done": pick(0),
                "failed": pick(0),
                "created_at": pick(NOW),
                "ended_at": pick(None, LATER),
            }
        ),
        lambda row: row["task_type"] != "stop_start"
        and row["kind"] != "all"
        and row["accepted"] >= 0
        and row["status"] in (("queued", "running") if row["ended_at"] is None else ("finished", "cancelled")),
    ),
    ManualItem: (
        st.fixed_dictionaries(
            {
                "trigger_id": pick("trigger"),
                "card_id": pick("card"),
                "task_type": pick("realname", "stop_start"),
                "status": pick("queued", "done", "failed", "cancelled", "lost"),
                "result": pick(""),
            }
        ),
        lambda row: row["task_type"] == "realname" and row["status"] != "lost",
    ),
}  # fmt: skip
