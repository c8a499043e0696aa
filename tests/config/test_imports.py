import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes(seconds=2)

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("config", "polling", "cards", "carriers", "accounts", "audit", "common")
IMPORT_ALL = """
import asyncio, importlib, json, os, sys, threading
made = []
real = asyncio.new_event_loop
asyncio.new_event_loop = lambda: made.append("loop") or real()
import django
django.setup()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
sockets = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")
           and os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")]
print(json.dumps({"sockets": sockets, "threads": threading.active_count(), "loops": made}))
"""


def test_importing_the_project_opens_no_socket_loop_or_thread() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    )

    done = subprocess.run(
        (sys.executable, "-c", IMPORT_ALL, json.dumps(modules)),
        env=os.environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )

    assert len(modules) > 80
    assert json.loads(done.stdout) == {"sockets": [], "threads": 1, "loops": []}
