"""Log files in the folder `LOG_DIR`, with one JSON object per line.

A new file begins each day (UTC). Thirty older files are kept, compressed. Several processes write to the
same file, so each process holds the file's lock while it writes a line or rotates the file (ADR 14).
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

from concurrent_log_handler import ConcurrentRotatingFileHandler
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from common import logs

DAYS_KEPT = 30

# The argument of `logging.config.dictConfig`.
Config = dict[str, Any]
Layout = Callable[[Config, Path], Config]


def begin(layout: Layout) -> None:
    """Log to files as well as to stderr if `LOG_DIR` is set.

    `layout` selects the files: pass `for_workers` or `for_web`. Raise ImproperlyConfigured if a file cannot
    be written.
    """
    folder: Path | None = settings.COMMON.log_folder
    if folder is None:
        return
    config = layout(settings.LOGGING, folder)
    files = [Path(handler["filename"]) for handler in config["handlers"].values() if "filename" in handler]
    _refuse_unwritable(folder, files)
    logs.set_up(config)


def for_workers(config: Config, folder: Path) -> Config:
    """Return a copy of `config` that also writes all log lines to `worker.log`."""
    return _with(config, {"worker": folder / "worker.log"}, everything="worker")


def for_web(config: Config, folder: Path) -> Config:
    """Return a copy of `config` that also writes access lines to `access.log`, other lines to `api.log`."""
    added = _with(config, {"api": folder / "api.log", "access": folder / "access.log"}, everything="api")
    access = {"handlers": [*config["root"]["handlers"], "access"], "propagate": False}
    return {**added, "loggers": {**config["loggers"], logs.ACCESS_LOGGER: access}}


def _with(config: Config, files: dict[str, Path], *, everything: str) -> Config:
    handlers = {name: {**_DAILY, "filename": str(path)} for name, path in files.items()}
    root = {**config["root"], "handlers": [*config["root"]["handlers"], everything]}
    return {**config, "handlers": {**config["handlers"], **handlers}, "root": root}


_DAILY: Final[Config] = {
    "class": "concurrent_log_handler.ConcurrentTimedRotatingFileHandler",
    "formatter": "json",
    "filters": ["outages"],
    "when": "midnight",
    "utc": True,
    "backupCount": DAYS_KEPT,
    "use_gzip": True,
    "encoding": "utf-8",
}


def _refuse_unwritable(folder: Path, files: list[Path]) -> None:
    tried = folder
    try:
        # Try to create a file, because rotation creates files in this folder.
        TemporaryFile(dir=folder).close()
        for tried in (path for file in files for path in (file, _lock_of(file))):
            tried.open("ab").close()
    except OSError as error:
        raise ImproperlyConfigured(f"LOG_DIR: {tried} cannot be written: {error.strerror}") from None


def _lock_of(file: Path) -> Path:
    return Path(*ConcurrentRotatingFileHandler.baseLockFilename(str(file)))
