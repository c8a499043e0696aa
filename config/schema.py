"""Hooks for drf-spectacular: select the paths that the schema documents, and tidy what it generates."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from config.schema_examples import examples

DOCUMENTED = "/api/v1/"
# The groups of paths, and what they are about.
TAGS: Final = {
    "agents": "Resellers, in a tree.",
    "api-tokens": "Tokens for programs.",
    "carriers": "Network operators and their billing calendars.",
    "check-failures": "Checks that fail, and why.",
    "gateways": "Accounts at carriers' systems, and how they do.",
    "operations": "Who did what.",
    "pauses": "Times in which checks are deferred.",
    "polling-concurrency": "How many calls may run at once.",
    "polling-configs": "How often cards are checked.",
    "polling-manual-trigger": "Checks on demand.",
    "polling-stats": "Queues, checks and their history.",
    "users": "People and programs that sign in.",
}
# Enumerations that several places share. Generated clients have one type for each.
ENUMERATIONS: Final[dict[str, list[Any]]] = {
    "CheckType": ["realname", "carddata", "package"],
    "TaskType": ["realname", "carddata", "package", "stop_start"],
    "ConfigStatus": [0, 1],
    "ConfigCondition": ["", "not_real_name", "real_name", "activated", "suspended"],
    "ConfigCategory": ["", "normal", "industry"],
    "TriggerStatus": ["queued", "running", "finished", "cancelled"],
    "TriggerKind": ["single", "batch", "by_condition"],
    "TokenScope": ["read", "write"],
    "Counter": ["per_cycle", "lifetime"],
    "StampGrain": ["exact", "hour", "day"],
    "Role": ["administrator", "operator", "viewer", "agent"],
}


def documented_only(endpoints: list[tuple[str, str, str, Any]], **_: Any) -> list[tuple[str, str, str, Any]]:
    """Return the endpoints below `/api/v1/`. Endpoints below `/api/admin/` are omitted as duplicates."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(DOCUMENTED)]


def without_enum_ids(result: Any, **_: Any) -> Any:
    """Return the schema without the keys `x-spec-enum-id`. Only a hook that we don't use needs these keys."""
    if isinstance(result, dict):
        return {name: without_enum_ids(inner) for name, inner in result.items() if name != "x-spec-enum-id"}
    return [without_enum_ids(inner) for inner in result] if isinstance(result, list) else result


def with_shared_enumerations(result: Any, **_: Any) -> Any:
    """Return the schema with one component for each of `ENUMERATIONS`, and references to it."""
    components = {
        f"{name}Enum": {"enum": values, "type": "integer" if isinstance(values[0], int) else "string"}
        for name, values in ENUMERATIONS.items()
    }
    shared = _with_references(result)
    shared["components"]["schemas"] |= components
    shared["components"]["schemas"] = dict(sorted(shared["components"]["schemas"].items()))
    return shared


def with_examples(result: Any, **_: Any) -> Any:
    """Return the schema with an example of each request body."""
    for component, body in examples(datetime.now(UTC)).items():
        result["components"]["schemas"][component]["examples"] = [body]
    return result


def without_unused_components(result: Any, **_: Any) -> Any:
    """Return the schema without components that nothing refers to, for example requests of nested answers."""
    schemas = result["components"]["schemas"]
    while unused := schemas.keys() - set(_references(result)):
        for name in unused:
            del schemas[name]
    return result


def _with_references(part: Any) -> Any:
    if isinstance(part, list):
        return [_with_references(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    values = part.get("enum")
    name = _NAMES.get(_key(values)) if isinstance(values, list) else None
    if name is None or values is None:
        return {key: _with_references(inner) for key, inner in part.items()}
    reference = {"$ref": f"#/components/schemas/{name}Enum"}
    kept = {key: inner for key, inner in part.items() if key not in {"enum", "type", "description"}}
    if None in values:
        return {**kept, "anyOf": [reference, {"type": "null"}]}
    return {**kept, "allOf": [reference]} if kept else reference


def _key(values: list[Any]) -> str:
    # Some generators sort the values.
    return json.dumps(sorted(str(value) for value in values if value is not None))


_NAMES: Final = {_key(values): name for name, values in ENUMERATIONS.items()}


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].rpartition("/")[2]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)
