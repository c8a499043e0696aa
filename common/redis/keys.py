"""The Redis keys of `common`."""

from typing import Final

# The string "1", written to see whether Redis can write. It expires after a second.
HEALTH: Final = "common:health"
