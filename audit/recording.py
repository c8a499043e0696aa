"""Writes operations, in the transaction of what they tell: both are there, or neither."""

from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.transaction import TransactionManagementError

from audit import origins
from audit.models import Action, Operation
from audit.snapshots import Snapshot, differences, shown
from common import request_ids


def record(
    actor: Any,
    action: Action | str,
    target: Model | type[Model],
    *,
    before: Snapshot | None = None,
    after: Snapshot | None = None,
) -> Operation | None:
    """Write what `actor` (a user, or the name of a part of the system) did to a row, or to several of a model.

    With both sides only what differs is kept; None when nothing does. Raises TransactionManagementError outside of
    a transaction.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("an operation is recorded in the transaction of what it tells")
    if before is not None and after is not None:
        before, after = differences(before, after)
        if not after:
            return None
    origin = origins.current()
    return Operation.objects.create(
        actor=None if isinstance(actor, str) else actor,
        actor_name=actor if isinstance(actor, str) else actor.get_username(),
        action=action,
        target_type=target._meta.label_lower,
        target_id=str(target.pk) if isinstance(target, Model) else "",
        before=shown(before),
        after=shown(after),
        client_ip=origin.client_ip,
        server_ip=origin.server_ip,
        request_id=request_ids.current(),
    )
