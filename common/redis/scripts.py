"""Loads Lua files: `lua/<name>.lua` beside the module that uses them."""

from functools import cache
from pathlib import Path

from redis import Redis
from redis.commands.core import Script


@cache
def _text(folder: Path, name: str) -> str:
    return (folder / "lua" / f"{name}.lua").read_text()


@cache
def load(redis: Redis, module_file: str, name: str) -> Script:
    """The script `name`, ready to be called with `keys` and `args`; it loads itself when Redis forgot it."""
    return redis.register_script(_text(Path(module_file).parent, name))
