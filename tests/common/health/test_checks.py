from pathlib import Path

import psutil
import pytest
from pytest_django import Settings

from common.conf import CommonSettings
from common.health import checks
from common.health.components import Finding, Level

MEMINFO = """MemTotal:       16000000 kB
MemFree:          100000 kB
MemAvailable:   {available} kB
Buffers:               0 kB
Cached:           100000 kB
Shmem:                 0 kB
Active:           100000 kB
Inactive:         100000 kB
"""


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that psutil reads instead of /proc."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    return tmp_path


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
def test_level_depends_on_the_free_share(share: float, level: Level) -> None:
    assert checks.level_of_free(share) is level


@pytest.mark.parametrize(
    ("available", "found"),
    [
        (4_000_000, Finding(Level.HEALTHY, "25.0% available")),
        (1_000_000, Finding(Level.DEGRADED, "6.2% available")),
        (400_000, Finding(Level.UNHEALTHY, "2.5% available")),
    ],
)
def test_memory_level_depends_on_the_available_share(proc: Path, available: int, found: Finding) -> None:
    (proc / "meminfo").write_text(MEMINFO.format(available=available))

    assert checks.memory() == found


@pytest.mark.parametrize("meminfo", [None, "", "MemFree: 1 kB\n", "MemTotal: 0 kB\nMemFree: 0 kB\n"])
@pytest.mark.filterwarnings("ignore:.*memory stats couldn't be determined:RuntimeWarning")
def test_memory_is_healthy_where_the_system_does_not_report_it(proc: Path, meminfo: str | None) -> None:
    if meminfo is not None:
        (proc / "meminfo").write_text(meminfo)

    assert checks.memory() == Finding(Level.HEALTHY, "not known: this system does not report its memory")


def test_memory_of_this_host_is_found() -> None:
    assert checks.memory().detail.endswith("% available")


def test_disk_check_looks_at_the_watched_folders(settings: Settings, tmp_path: Path) -> None:
    settings.COMMON = CommonSettings(watched_folders=(tmp_path, tmp_path / "missing"))

    found = checks.disk()

    assert found.detail.endswith(f"% free below {tmp_path}")
