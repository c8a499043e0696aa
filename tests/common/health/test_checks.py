from pathlib import Path

import pytest
from pytest_django import Settings

from common.conf import CommonSettings
from common.health import checks
from common.health.components import Finding, Level

MEMINFO = """MemTotal:       16000000 kB
MemFree:          900000 kB
MemAvailable:    4000000 kB
HugePages_Total:       0
"""


@pytest.mark.parametrize(
    ("share", "level"),
    [
        (1.0, Level.HEALTHY),
        (0.10, Level.HEALTHY),
        (0.099, Level.DEGRADED),
        (0.03, Level.DEGRADED),
        (0.029, Level.UNHEALTHY),
        (0.0, Level.UNHEALTHY),
    ],
)
def test_a_disk_or_a_memory_with_less_than_a_tenth_free_is_degraded(share: float, level: Level) -> None:
    assert checks.level_of_free(share) is level


@pytest.mark.parametrize(
    ("meminfo", "share"),
    [
        (MEMINFO, 0.25),
        (MEMINFO.replace("MemAvailable:    4000000 kB\n", ""), None),
        (MEMINFO.replace("MemAvailable:    4000000", "MemAvailable:          0"), 0.0),
        (MEMINFO.replace("MemTotal:       16000000", "MemTotal:              0"), None),
        ("", None),
    ],
)
def test_the_available_memory_is_read_from_the_kernel(meminfo: str, share: float | None) -> None:
    assert checks.available_memory(meminfo) == share


def test_a_system_without_proc_is_healthy_and_says_that_its_memory_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_MEMINFO", tmp_path / "meminfo")

    assert checks.memory() == Finding(
        Level.HEALTHY, f"not known: this system has no usable {tmp_path}/meminfo"
    )


def test_the_disk_is_looked_at_where_logs_and_data_are(settings: Settings, tmp_path: Path) -> None:
    settings.COMMON = CommonSettings(watched_folders=(tmp_path, tmp_path / "missing"))

    found = checks.disk()

    assert found.detail.endswith(f"% free below {tmp_path}")
