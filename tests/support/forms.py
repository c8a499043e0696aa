"""Two forms of a slow test: a short smoke test by default, and the full form with `--long`.

The fixture `is_long` tells a test which form to run. Tests marked `only_long` run only with `--long`.
"""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="run drills, benchmarks and the like in their full form"
    )
    parser.addoption("--histories", type=int, help="how many histories to play for each kind of fault")


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    """Return whether to run the full form."""
    return bool(pytestconfig.getoption("--long"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests marked `only_long` unless `--long` was given."""
    if config.getoption("--long"):
        return
    left_out = [item for item in items if item.get_closest_marker("only_long")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
