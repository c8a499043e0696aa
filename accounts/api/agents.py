"""The endpoint `/agents`. An agent's users see their own agent and the agents below it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework.serializers import BaseSerializer

from accounts import agent_tree
from accounts.api.permissions import MayOperateShared
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import ManagedViewSet
from accounts.models import Agent
from accounts.scoping import tree_of
from audit.snapshots import Snapshot
from common.api.fields import KeyField
from common.api.strict_serializers import Parameters, StrictModelSerializer


class AgentSerializer(StrictModelSerializer[Agent]):
    """An agent. A new `parent_id` moves the agent and all agents below it; null makes the agent a root."""

    parent_id = VisibleKey(Agent, source="parent", allow_null=True, required=False)

    class Meta:
        model = Agent
        fields = ("id", "name", "parent_id", "path")
        read_only_fields = ("path",)

    def to_representation(self, instance: Agent) -> dict[str, Any]:
        # Show an agent's users their own agent as a root, because they may not see the agents above it.
        fields: dict[str, Any] = super().to_representation(instance)
        root = tree_of(self.context["request"].user)
        if root is None:
            return fields
        above = root.rstrip("/").rpartition("/")[0]
        return {
            **fields,
            "path": instance.path.removeprefix(above),
            "parent_id": None if instance.path == root else instance.parent_id,
        }

    def update(self, instance: Agent, validated_data: dict[str, Any]) -> Agent:
        # Store only the name here, because `AgentViewSet.perform_update` moves the agent to its new parent.
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save(update_fields=["name"])
        return instance


class AgentParameters(Parameters):
    """Filters for the list of agents."""

    parent_id = KeyField(required=False)


class AgentViewSet(ManagedViewSet[Agent]):
    """Agents, sorted so that each parent comes before its children.

    An agent that other rows reference cannot be deleted.
    """

    subject = "agent"
    model = Agent
    permission_classes = (MayOperateShared,)
    serializer_class = AgentSerializer
    parameters = AgentParameters

    def filtered(self, rows: QuerySet[Agent], query: Mapping[str, Any]) -> QuerySet[Agent]:
        # Leave the caller's own agent out of filtered lists. Otherwise the caller could find the hidden
        # parent by trying one `parent_id` after another.
        root = tree_of(self.request.user)
        return super().filtered(rows.exclude(path=root) if root and query else rows, query)

    def etag_source(self, row: Agent) -> Snapshot:
        # Compute the ETag only from fields that the caller sees. Otherwise a caller could guess the hidden
        # part of the path and confirm the guess by comparing ETags.
        fields: Snapshot = self.get_serializer(row).data
        return fields

    def locked_object(self) -> Agent:
        # Lock the tree before the row, as `agent_tree.move` does. The reverse order could cause a deadlock.
        agent_tree.lock()
        return super().locked_object()

    def perform_update(self, serializer: BaseSerializer[Agent]) -> Agent:
        stored: Any = serializer.instance
        old_parent_id = stored.parent_id
        agent = super().perform_update(serializer)
        if agent.parent_id != old_parent_id:
            agent_tree.move(agent.pk, under=agent.parent_id)
            agent.refresh_from_db()
        return agent
