"""The Redis keys of `common`."""

from typing import Final

# The string "1", written to see whether Redis can write. It expires after a second.
HEALTH: Final = "common:health"
# A hash: machine -> `seconds that its clock is ahead of Redis'|time of the comparison (unix s)`.
CLOCKS: Final = "common:clocks"
# The run id of the server on which the counters for Prometheus began.
COUNTED_ON: Final = "common:counted-on"
# A hash: the HTTP requests by route, see `RequestCounts`.
REQUESTS: Final = "common:requests"
