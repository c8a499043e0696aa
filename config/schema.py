"""Hooks of drf-spectacular: which paths the schema documents, and what it leaves out."""

from typing import Any

DOCUMENTED = "/api/v1/"


def documented_only(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Return the endpoints below `/api/v1/`. Those below the prefix of the run-book are the same views."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(DOCUMENTED)]


def without_enum_ids(result: Any, **_: Any) -> Any:
    """Return the schema without the enumeration ids that drf-spectacular adds for a hook we do not use."""
    if isinstance(result, dict):
        return {name: without_enum_ids(inner) for name, inner in result.items() if name != "x-spec-enum-id"}
    return [without_enum_ids(inner) for inner in result] if isinstance(result, list) else result
