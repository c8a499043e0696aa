"""`/agents`: the tree of resellers. Agents see themselves and everybody below."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework.serializers import BaseSerializer

from accounts import agent_tree
from accounts.api.permissions import MayOperateShared
from accounts.api.related_fields import VisibleKey
from accounts.api.scoped import Managed
from accounts.models import Agent
from accounts.scoping import tree_of
from audit.snapshots import Snapshot
from common.api.fields import KeyField
from common.api.strict_serializers import Parameters, StrictModelSerializer


class AgentSerializer(StrictModelSerializer[Agent]):
    """An agent. Another parent moves it with everybody below it; null makes it a root."""

    parent_id = VisibleKey(Agent, source="parent", allow_null=True, required=False)

    class Meta:
        model = Agent
        fields = ("id", "name", "parent_id", "path")
        read_only_fields = ("path",)

    def to_representation(self, instance: Agent) -> dict[str, Any]:
        """To an agent its own agent is the root: who stands above it is not his to know."""
        shown: dict[str, Any] = super().to_representation(instance)
        root = tree_of(self.context["request"].user)
        if root is None:
            return shown
        above = root.rstrip("/").rpartition("/")[0]
        return {
            **shown,
            "path": instance.path.removeprefix(above),
            "parent_id": None if instance.path == root else instance.parent_id,
        }


class AgentParameters(Parameters):
    """Filters of the list."""

    parent_id = KeyField(required=False)


class AgentViewSet(Managed[Agent]):
    """Agents, each behind those above it. One that has something cannot be deleted."""

    subject = "agent"
    model = Agent
    permission_classes = (MayOperateShared,)
    serializer_class = AgentSerializer
    parameters = AgentParameters

    def filtered(self, rows: QuerySet[Agent], asked: Mapping[str, Any]) -> QuerySet[Agent]:
        """Who stands above the caller's own agent is not his to find out."""
        root = tree_of(self.request.user)
        return super().filtered(rows.exclude(path=root) if root and asked else rows, asked)

    def held(self, row: Agent) -> Snapshot:
        """What is shown: the tag of a path that is not shown would tell it to who tries all."""
        shown: Snapshot = self.get_serializer(row).data
        return shown

    def locked_object(self) -> Agent:
        """The tree first: whoever moves agents takes them in this order."""
        agent_tree.lock()
        return super().locked_object()

    def perform_update(self, serializer: BaseSerializer[Agent]) -> Agent:
        """Rename it, and move it when it gets another parent."""
        before: Any = serializer.instance
        parent_id = before.parent_id
        agent = super().perform_update(serializer)
        if agent.parent_id != parent_id:
            agent_tree.move(agent.pk, under=agent.parent_id)
            agent.refresh_from_db()
        return agent
