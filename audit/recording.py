"""Record an operation in the same transaction as its change, so that both are stored or neither is."""

from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Model
from django.db.transaction import TransactionManagementError

from audit import origins
from audit.models import Action, Operation
from audit.snapshots import Snapshot, differences, redacted
from common import request_ids

log = structlog.get_logger(__name__)


def record(
    actor: Any,
    action: Action | str,
    target: Model | type[Model],
    *,
    before: Snapshot | None = None,
    after: Snapshot | None = None,
) -> Operation | None:
    """Store and return the operation that `actor` performed on `target`.

    `actor` is a user, or the name of a part of the system. `target` is a row, or a model if the action
    concerned several rows. If both `before` and `after` are given, only the columns that differ are stored.
    If no column differs, nothing is stored and None is returned. After the transaction commits, the operation is
    also logged. Raise TransactionManagementError outside a transaction. Example::

        with transaction.atomic():
            before = snapshot(gateway)
            gateway.save()
            record(request.user, Action.CHANGED, gateway, before=before, after=snapshot(gateway))
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an operation must be recorded in the transaction of its change")
    if before is not None and after is not None:
        before, after = differences(before, after)
        if not after:
            return None
    origin = origins.current()
    operation = Operation.objects.create(
        actor=None if isinstance(actor, str) else actor,
        actor_name=actor if isinstance(actor, str) else actor.get_username(),
        action=action,
        target_type=target._meta.label_lower,
        target_id=str(target.pk) if isinstance(target, Model) else "",
        before=redacted(before),
        after=redacted(after),
        client_ip=origin.client_ip,
        server_ip=origin.server_ip,
        request_id=request_ids.current(),
    )
    name = str(target) if isinstance(target, Model) else ""
    transaction.on_commit(partial(_log, operation, name))
    return operation


def _log(operation: Operation, name: str) -> None:
    log.info(
        "operation_recorded",
        operation_id=operation.pk,
        actor=operation.actor_name,
        action=str(operation.action),
        target=f"{operation.target_type} {operation.target_id}".rstrip(),
        changes=_loggable_changes(operation),
        **({"name": name} if name else {}),
    )


def _loggable_changes(operation: Operation) -> dict[str, str]:
    """Return column -> what happened to it. Text is left out, because it may be personal, such as an MSISDN."""
    if not operation.before or not operation.after:
        return {}
    return {
        name: f"{operation.before.get(name)} -> {value}"
        if _is_impersonal(value) and _is_impersonal(operation.before.get(name))
        else "changed"
        for name, value in operation.after.items()
    }


def _is_impersonal(value: object) -> bool:
    return value is None or isinstance(value, int | float | Decimal | date)
