"""The API's schema: every path once."""

from typing import Any

DOCUMENTED = "/api/v1/"


def once(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Only those of the prefix for programs; the run-book's has the same views."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(DOCUMENTED)]


def without_marks(result: Any, **_: Any) -> Any:
    """The schema without the marks that drf-spectacular leaves at enumerations for a step that we do without."""
    if isinstance(result, dict):
        return {name: without_marks(inner) for name, inner in result.items() if name != "x-spec-enum-id"}
    return [without_marks(inner) for inner in result] if isinstance(result, list) else result
