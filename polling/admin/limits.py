"""The admin pages of concurrency limits."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_scoping import ScopedAdmin
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis
from polling.models import ConcurrencyLimit
from polling.observe import monitoring, slot_needs
from polling.schedule import limits


@admin.register(ConcurrencyLimit)
class ConcurrencyLimitAdmin(ScopedAdmin[ConcurrencyLimit]):
    """The concurrency limits: how many calls of each task type may run at once, and how many run now."""

    list_display = ("task_type", "max_concurrency", "needed", "in_use", "holders")
    ordering = ("task_type",)

    @admin.display(description=_("needed"))
    def needed(self, limit: ConcurrencyLimit) -> str:
        """Return how many slots the checks need at the latency of the last ten minutes, or "-" if not known."""
        needs: slot_needs.SlotNeeds = vars(limit).get("needs", slot_needs.SlotNeeds())
        need = needs.by_type.get(limit.task_type)
        return "-" if need is None or need.slots is None else str(need.slots)

    @admin.display(description=_("in use now"))
    def in_use(self, limit: ConcurrencyLimit) -> str:
        """Return the number of slots that are taken, or "?" if Redis does not answer."""
        state = self._state(limit)
        return str(state.current) if state else "?"

    @admin.display(description=_("held by (host:pid:start-place)"))
    def holders(self, limit: ConcurrencyLimit) -> str:
        """Return the processes that hold slots, each with its number of slots, such as `name (3), name (1)`.

        Return "?" if Redis does not answer.
        """
        state = self._state(limit)
        return ", ".join(f"{holder.holder} ({holder.slots})" for holder in state.holders) if state else "?"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the change list. Each limit gets its state in Redis and the needs of all check types."""
        # Read all states at once, so that an outage of Redis costs one timeout, not one for each row.
        changes = super().get_changelist_instance(request)
        states = monitoring.limits_by_type(for_web())
        needs = slot_needs.SlotNeeds()
        with degraded_without_redis("needed slots are not shown"):
            needs = slot_needs.read(for_web())
        for limit in changes.result_list:
            vars(limit).update(state=states.get(limit.task_type), needs=needs)
        return changes

    @staticmethod
    def _state(limit: ConcurrencyLimit) -> monitoring.LimitState | None:
        state: monitoring.LimitState | None = vars(limit).get("state")
        return state

    def save_model(self, request: HttpRequest, obj: ConcurrencyLimit, form: Any, change: Any) -> None:
        """Save the limit, and write it to Redis, so that it applies to the next call."""
        super().save_model(request, obj, form, change)
        self._publish(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False. Without its row, a task type would stop. To stop it on purpose, set the limit to 0."""
        return False

    @staticmethod
    def _publish(request: HttpRequest) -> None:
        """Write all limits to Redis.

        If Redis does not answer, warn the user. A periodic task will write the limits within ten seconds
        after Redis is back.
        """
        with degraded_without_redis("changed limits are not in force yet") as degraded:
            limits.publish(for_web())
        if degraded.is_on:
            messages.warning(
                request, _("Saved. The limit takes effect later, because Redis does not answer now.")
            )
