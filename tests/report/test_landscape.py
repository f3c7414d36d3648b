"""Landscapes on the page of `optrun report`: pictures with the command that draws them, films as far as they fit."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path

import pytest

from runner.report import folders
from runner.store.drawn import command_of, note
from tests.cli.conftest import Call, call  # noqa: F401
from tests.report.conftest import DRAWN
from tests.report.test_gallery import HOSTILE, Page


@pytest.fixture
def copied(ravine: Path, tmp_path: Path, call: Call) -> Path:  # noqa: F811
    """A sweep with its landscape, in the folder in which commands are called."""
    shutil.copytree(ravine / "ravine", tmp_path / "ravine")
    return tmp_path / "ravine"


def page(call: Call, *folders: str) -> str:  # noqa: F811
    answer = call("report", *folders, "out=page.html")
    assert (answer.code, answer.err) == (0, "")
    return Path("page.html").read_text()


def held(text: str) -> list[bytes]:
    """The pictures on a page."""
    return [base64.b64decode(data) for data in re.findall(r'<img src="data:image/[a-z+]*;base64,([^"]*)"', text)]


def test_a_landscape_is_on_the_page_of_its_sweep_with_the_command_that_draws_it(call: Call, copied: Path) -> None:  # noqa: F811
    text = page(call, "ravine")
    _, after = text.split(">The loss around it</h3>")
    smallest = min((copied / f"landscape{kind}" for kind in (".png", ".svg")), key=lambda path: path.stat().st_size)
    assert held(after)[:2] == [smallest.read_bytes(), (copied / "landscape.gif").read_bytes()]
    assert after.count(f"Drawn by <code>{DRAWN}</code>") == 2
    size = (copied / "landscape.gif").stat().st_size
    assert f"<details><summary>The same as a film ({size / 1000:.0f} kB)</summary>" in after
    assert re.findall(r'alt="([^"]*)"', after)[:2] == [
        "landscape of ravine",
        "landscape of ravine, its paths growing step by step",
    ]


def test_a_landscape_of_runs_that_were_named_is_told_with_the_first_of_them(call: Call, copied: Path) -> None:  # noqa: F811
    words = ("landscape", "ravine/0", "ravine/1", "grid=9")
    assert call(*words).code == 0
    for name in ("1", "0"):
        text = page(call, f"ravine/{name}")
        assert (f"Drawn by <code>optrun {' '.join(words)}</code>" in text) == (name == "0")


def test_a_film_for_which_there_is_no_room_is_named_with_its_place_and_its_size(
    call: Call,  # noqa: F811
    copied: Path,
) -> None:
    film = copied / "landscape.gif"
    film.write_bytes(film.read_bytes().ljust(2_300_000, b"\0"))
    text = page(call, "ravine")
    (said,) = re.findall(r"<p><strong>The film (.*)</p>", text)
    assert re.fullmatch(
        r"landscape of ravine, its paths growing step by step is left out for its size</strong>: it lies in "
        rf"<code>ravine/landscape\.gif</code> \(2\.3 MB\), drawn by <code>{DRAWN}</code>\.",
        said,
    )
    assert "image/gif" not in text
    assert len(text) < 4_000_000


def test_all_films_together_and_all_pictures_together_keep_to_their_room(
    call: Call,  # noqa: F811
    copied: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(copied, copied.parent / "other")
    size = (copied / "landscape.gif").stat().st_size
    monkeypatch.setattr(folders, "FILMS", size)
    text = page(call, "ravine", "other")
    assert text.count("data:image/gif") == 1
    assert "<code>other/landscape.gif</code>" in text
    monkeypatch.setattr(folders, "PICTURES", 0)
    assert "data:image/png" not in page(call, "ravine")
    assert "data:image/svg" not in page(call, "ravine")


def test_the_pictures_that_runs_draw_themselves_have_their_room_before_any_landscape(
    call: Call,  # noqa: F811
    copied: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [copied / "sweep", copied / "1" / "curves"]
    monkeypatch.setattr(folders, "PICTURES", sum(min(p.stat().st_size for p in pair(name)) for name in names))
    text = page(call, "ravine")
    assert text.count("<img") == 2 + 1  # and the film
    assert "The picture landscape of " in text


def pair(name: Path) -> list[Path]:
    return [name.with_name(f"{name.name}{kind}") for kind in (".png", ".svg")]


@pytest.mark.parametrize("kept", ["nothing", "no JSON", "changed", "no command", "a link"])
def test_a_command_that_was_not_kept_or_was_changed_is_not_made_up(kept: str, call: Call, copied: Path) -> None:  # noqa: F811
    file = copied / "landscape.json"
    whole = json.loads(file.read_text())
    file.unlink()
    if kept == "no JSON":
        file.write_text("{")
    elif kept == "changed":
        file.write_text(json.dumps(whole | {"command": "optrun landscape other"}))
    elif kept == "no command":
        file.write_text(json.dumps({"format": 1}))
    elif kept == "a link":
        note(copied, "elsewhere", "optrun landscape other")
        file.symlink_to(copied / "elsewhere.json")
    assert command_of(copied, "landscape") == ""
    text = page(call, "ravine")
    assert text.count("Drawn by <code>optrun landscape</code>, with words that were not kept</figcaption>") == 2
    assert DRAWN not in text


def test_a_film_that_is_a_link_is_not_followed_and_a_command_can_do_no_harm(call: Call, copied: Path) -> None:  # noqa: F811
    film = copied / "landscape.gif"
    film.rename(copied / "elsewhere.gif")
    film.symlink_to("elsewhere.gif")
    note(copied, "landscape", HOSTILE)
    text = page(call, "ravine")
    assert "image/gif" not in text
    seen = Page(text)
    assert seen.open == []
    assert HOSTILE in seen.text


def test_the_doctor_of_a_problem_says_why_he_has_nothing_to_say(call: Call, copied: Path) -> None:  # noqa: F811
    text = page(call, "ravine")
    assert "The doctor looks at runs on data, which a problem does not have." in text
    assert "<h1>ravine</h1>" in text, "its sweep is called by the problem"
