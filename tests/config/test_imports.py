"""Importing a module opens no socket and starts no loop or thread.

Starting Django connects all receivers and checks.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes(seconds=2)

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("lab", "config", "polling", "cards", "carriers", "accounts", "audit", "common")
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

# Decorators that connect a function when its module is imported. Starting Django must import such modules.
CONNECTING = {"receiver", "register"}
START = "import django, json, sys; django.setup(); print(json.dumps(sorted(sys.modules)))"


def modules() -> list[str]:
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    )


def run(*arguments: str) -> str:
    return subprocess.run(
        (sys.executable, "-c", *arguments),
        env=os.environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    ).stdout


def connects(module: str) -> bool:
    tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())
    decorators = [
        decorator.func if isinstance(decorator, ast.Call) else decorator
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
    ]
    return any(isinstance(name, ast.Name) and name.id in CONNECTING for name in decorators)


def test_starting_django_connects_receivers_and_checks() -> None:
    connecting = {module for module in modules() if connects(module)}

    started = set(json.loads(run(START)))

    assert {"polling.planning.receivers", "polling.system_checks"} <= connecting
    assert connecting - started == set()


def test_importing_the_project_opens_no_socket_loop_or_thread() -> None:
    names = modules()

    found = run(IMPORT_ALL, json.dumps(names))

    assert len(names) > 80
    assert json.loads(found) == {"sockets": [], "threads": 1, "loops": []}
