"""The registry that maps each check type to its check."""

from typing import Final

from cards.models import CheckType
from polling.checks.base import Check
from polling.checks.data_usage import DataUsageCheck
from polling.checks.package import PackageCheck
from polling.checks.real_name import RealNameCheck

CHECKS: Final[dict[CheckType, Check]] = {
    CheckType.REAL_NAME: RealNameCheck(),
    CheckType.DATA_USAGE: DataUsageCheck(),
    CheckType.PACKAGE: PackageCheck(),
}
