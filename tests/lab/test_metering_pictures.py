"""The pictures of docs/metering.md show what the meter does now, and the page uses all of them."""

import re
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from django.core.management import call_command

from lab.metering_pictures.files import FOLDER, pictures

PAGE = FOLDER.parent / "metering.md"


def test_committed_pictures_are_what_the_code_draws() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.iterdir()}

    assert committed == pictures(), "run bin/manage draw_metering"


def test_page_uses_every_picture_once() -> None:
    used = re.findall(r"!\[[^\]]+\]\(metering/([^)]+)\)", PAGE.read_text())

    assert sorted(used) == sorted(pictures())


@pytest.mark.parametrize("name", pictures())
def test_picture_is_well_formed_and_explains_itself(name: str) -> None:
    picture = ET.fromstring(pictures()[name])

    title, description = list(picture)[:2]
    assert (title.tag.partition("}")[2], description.tag.partition("}")[2]) == ("title", "desc")
    assert title.text
    assert description.text


def test_command_draws_all_and_deletes_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.management.commands.draw_metering.FOLDER", tmp_path)
    (tmp_path / "gone.svg").write_text("old")

    call_command("draw_metering", stdout=StringIO())

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == pictures()
