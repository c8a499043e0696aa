import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_requirements_match_the_lock_file() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    files = {
        package["name"]: (
            package["version"],
            {file["hash"] for file in [*package.get("wheels", []), package.get("sdist")] if file},
        )
        for package in lock["package"]
        if package["name"] != "simwatch"
    }

    export = (ROOT / "requirements.txt").read_text()
    exported = {
        match[1].split("[")[0]: (match[2], set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", match[3])))
        for match in re.finditer(
            r"^([a-z0-9._\[\]-]+)==(\S+)(.*?)(?=^\S|\Z)", export, re.MULTILINE | re.DOTALL
        )
    }

    assert exported == files, (
        "run: uv export --no-header --no-annotate --no-emit-project --all-groups -o requirements.txt"
    )
