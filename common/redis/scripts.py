"""Load Lua scripts from the folder `lua/` beside the module that uses them."""

from functools import cache
from pathlib import Path

from redis import Redis
from redis.commands.core import Script


@cache
def _text(folder: Path, name: str) -> str:
    return (folder / "lua" / f"{name}.lua").read_text()


@cache
def load(redis: Redis, module_file: str, name: str) -> Script:
    """Return the script `lua/<name>.lua`. Call it with the arguments `keys` and `args`.

    `module_file` is the `__file__` of the calling module. If Redis has lost the script, for example after a
    restart, redis-py loads it again.
    """
    return redis.register_script(_text(Path(module_file).parent, name))
