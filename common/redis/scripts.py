"""Load Lua scripts from `lua/<name>.lua` beside the module that uses them."""

from functools import cache
from pathlib import Path

from redis import Redis
from redis.commands.core import Script


@cache
def _text(folder: Path, name: str) -> str:
    return (folder / "lua" / f"{name}.lua").read_text()


@cache
def load(redis: Redis, module_file: str, name: str) -> Script:
    """Return the script `name`, to be called with `keys` and `args`. It loads itself again if Redis lost it.

    `module_file` is the caller's `__file__`.
    """
    return redis.register_script(_text(Path(module_file).parent, name))
