"""The fields of a polling config in the API."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import cached_property
from drf_spectacular.drainage import set_override
from rest_framework import serializers

from accounts.api.related_fields import VisibleKey
from carriers.models import Carrier
from common.api.strict_serializers import StrictModelSerializer
from polling.api.wire import ConditionField, StatusField
from polling.models import PollingConfig
from polling.models.config import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS
from polling.policy import census
from polling.policy.card_reader import Group
from polling.policy.dry_run import matched_cards

INTERVAL_SCHEMA: Final[dict[str, Any]] = {
    "type": "integer",
    "minimum": 0,
    "maximum": MAX_INTERVAL_SECONDS,
    "not": {"type": "integer", "minimum": 1, "maximum": MIN_INTERVAL_SECONDS - 1},
    "description": "seconds; null: left to the next matching config; 0: off",
}


class PollingConfigSerializer(StrictModelSerializer[PollingConfig]):
    """A polling config.

    `status` is 1 (enabled) or 0 (disabled). An empty `card_condition`, an empty `card_category` and a null
    `carrier_id` each match every card. Intervals are in seconds and at least 30. Two other values are
    allowed: null leaves the check to the next config that matches the card, and 0 turns the check off.
    """

    status = StatusField(source="is_enabled", required=False)
    card_condition = ConditionField(PollingConfig.CardCondition, required=False)
    card_category = ConditionField(PollingConfig.CardCategory, required=False)
    carrier_id = VisibleKey(Carrier, source="carrier", allow_null=True, required=False)
    matched_cards = serializers.SerializerMethodField(
        help_text=(
            "number of cards that meet the conditions, as of the last count; for some of them, a config that "
            "comes before this one may decide"
        )
    )

    class Meta:
        model = PollingConfig
        fields = (
            "id",
            "name",
            "priority",
            "status",
            "card_condition",
            "card_category",
            "carrier_id",
            "realname_check_interval",
            "carddata_check_interval",
            "package_check_interval",
            "description",
            "matched_cards",
        )

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        for name, field in fields.items():
            if name.endswith("_check_interval"):
                set_override(field, "field", INTERVAL_SCHEMA)
        return fields

    def get_matched_cards(self, config: PollingConfig) -> int:
        return matched_cards(config, self._card_counts)

    @cached_property
    def _card_counts(self) -> Mapping[Group, int]:
        return census.cards_by_group()
