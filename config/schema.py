"""Hooks for drf-spectacular: select the paths that the schema documents, and remove unused keys from it."""

from typing import Any

DOCUMENTED = "/api/v1/"


def documented_only(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Return the endpoints below `/api/v1/`. Endpoints below `/api/admin/` are omitted as duplicates."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(DOCUMENTED)]


def without_enum_ids(result: Any, **_: Any) -> Any:
    """Return the schema without the keys `x-spec-enum-id`. Only a hook that we don't use needs these keys."""
    if isinstance(result, dict):
        return {name: without_enum_ids(inner) for name, inner in result.items() if name != "x-spec-enum-id"}
    return [without_enum_ids(inner) for inner in result] if isinstance(result, list) else result
