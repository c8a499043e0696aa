"""The checks that exist."""

from typing import Final

from cards.models import CheckType
from polling.checks.base import GatewayCheck
from polling.checks.data_usage import DataUsageCheck

CHECKS: Final[dict[CheckType, GatewayCheck]] = {CheckType.DATA_USAGE: DataUsageCheck()}
