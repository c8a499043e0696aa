"""Record an operation in the same transaction as its change, so that both are stored or neither is."""

from typing import Any

from django.db import connection
from django.db.models import Model
from django.db.transaction import TransactionManagementError

from audit import origins
from audit.models import Action, Operation
from audit.snapshots import Snapshot, differences, redacted
from common import request_ids


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
    If no column differs, nothing is stored and None is returned. Raise TransactionManagementError outside a
    transaction. Example::

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
    return Operation.objects.create(
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
