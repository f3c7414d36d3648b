"""`optrun selftest`: every area holds in its short form, notices a defect of the program, and is told in a table."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runner.cli import main
from runner.core.errors import ConfigError
from runner.selftest import launch, program, report
from runner.selftest.base import Area, Effort, NotHeld, Trial
from runner.selftest.report import Standing

AREAS = launch.areas()
PLANTED = Path(__file__).parent / "planted"


@pytest.mark.parametrize("name", AREAS)
def test_every_trial_of_an_area_holds(name: str, tmp_path: Path) -> None:
    trials = list(AREAS[name]().trials(made(tmp_path / name), "short"))
    assert trials
    assert [trial for trial in trials if not trial.held] == []


@pytest.mark.parametrize("name", AREAS)
def test_an_area_notices_a_defect_of_the_program(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PYTHON", [sys.executable, str(PLANTED / "run.py"), name])
    standing = Standing(name, until_noticed(AREAS[name]), tmp_path / name)
    launch.attempt(standing, "short")
    (failed,) = standing.failures
    assert failed.seen


def until_noticed(area: type[Area]) -> type[Area]:
    """An area that ends with its first trial that was not held."""

    class Shorter(area):  # type: ignore[misc, valid-type]
        def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
            for trial in super().trials(folder, effort):
                yield trial
                if not trial.held:
                    return

    return Shorter


@pytest.mark.parametrize("name", AREAS)
def test_an_area_says_in_a_line_what_is_promised(name: str) -> None:
    area = AREAS[name]
    assert area.name == name
    assert area.__name__ == "".join(word.capitalize() for word in name.split("_"))
    assert 20 <= len(area.promise) <= 120, "one short sentence"
    assert not area.promise.endswith(".")
    assert "|" not in area.promise + area.note, "it stands in a table of Markdown"


class Holds(Area):
    name = "holds"
    promise = "two and two are four"
    note = "on a machine that can count"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        for number in range(1000 if effort == "full" else 3):
            yield Trial(f"sum {number}", held=True, seen="unseen", seconds=0.5 * number)


class Fails(Holds):
    name = "fails"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        yield Trial("one and one", held=True)
        yield Trial("two and two", held=False, seen="it was five")
        raise NotHeld("it never ended")


class Breaks(Holds):
    name = "breaks"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        yield Trial("one and one", held=True)
        raise ZeroDivisionError("a bug of the area")


class Nothing(Holds):
    name = "nothing"

    def trials(self, folder: Path, effort: Effort) -> Iterator[Trial]:
        yield from ()


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Four areas instead of those of the program, and a temporary folder of one's own."""
    monkeypatch.setattr(launch, "areas", lambda: {area.name: area for area in (Holds, Fails, Breaks, Nothing)})
    scratch = tmp_path / "scratch"
    monkeypatch.setattr(launch.tempfile, "mkdtemp", lambda prefix: str(scratch if scratch.exists() else made(scratch)))
    monkeypatch.setattr(launch.signal, "signal", lambda *_: None)
    return tmp_path


def made(path: Path) -> Path:
    path.mkdir()
    return path


def test_where_every_trial_held_the_table_says_so_and_nothing_is_left(invented: Path, capsys: Any) -> None:
    assert main(["selftest", "holds"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("holds: 3 trials held, 0 s\n")
    assert re.search(r"^holds +two and two are four +3 +0 +0$", said, re.MULTILINE)
    assert "note, holds: on a machine that can count\n" in said
    assert said.endswith("\nall 3 trials held, 0 s\n")
    assert not (invented / "scratch").exists()


def test_a_trial_that_did_not_hold_is_told_with_what_was_seen_and_its_folder_kept(invented: Path, capsys: Any) -> None:
    assert main(["selftest", "holds", "fails"]) == 1
    said = capsys.readouterr().out
    kept = invented / "scratch" / "fails"
    assert "\nfails: two and two\n  it was five\n" in said
    assert f"\nfails: what was tried last\n  it never ended\n  kept: {kept}\n" in said
    assert said.endswith("\n2 of 6 trials did not hold, 0 s\n")
    assert kept.joinpath("failures.txt").read_text() == (
        "two and two\nit was five\n\nwhat was tried last\nit never ended\n"
    )
    assert not (invented / "scratch" / "holds").exists()


def test_a_bug_of_an_area_is_told_as_one_and_stops_no_other(invented: Path, capsys: Any) -> None:
    assert main(["selftest", "breaks", "holds"]) == 1
    said = capsys.readouterr().out
    assert "\nbreaks: the self-test itself\n" in said
    assert "ZeroDivisionError: a bug of the area\n" in said
    assert "holds: 3 trials held" in said


def test_an_area_that_tried_nothing_has_not_held(invented: Path, capsys: Any) -> None:
    assert main(["selftest", "nothing"]) == 1
    said = capsys.readouterr().out
    assert "\nnothing: what was tried last\n  nothing was tried\n" in said
    assert said.endswith("\n1 of 1 trials did not hold, 0 s\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["hold"],
            "selftest hold is refused\n"
            "  allowed: areas (holds, fails, breaks, nothing) and --full, --readme, --counted\n"
            "  do this: did you mean holds? `optrun selftest` tries all areas in short",
        ),
        (
            ["--readme"],
            "--readme is refused\n"
            "  allowed: a path that exists\n"
            "  do this: name one, as in --readme README.md",
        ),
        (
            ["--readme", "page"],
            "--readme=page is refused\n"
            "  allowed: with --full, for all areas or with a folder that has the others: "
            "the table is that of all in full\n"
            "  do this: optrun selftest --full --readme page, or with AREA ... --counted FOLDER",
        ),
        (
            ["--full", "--readme", "page"],
            "--readme=page is refused\n"
            "  allowed: a page with <!-- faults: make test-faults --> and <!-- /faults -->\n"
            "  do this: put both lines where the table is to stand",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_tested_is_refused(
    arguments: list[str], message: str, invented: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(invented)
    Path("page").write_text("without marks")
    with pytest.raises(ConfigError) as error:
        launch.asked(arguments)
    assert str(error.value) == message


def test_the_full_form_writes_the_table_between_the_marks_of_a_page(
    invented: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(launch, "areas", lambda: {"holds": Holds})
    page, beside = invented / "page.md", made(invented / "counted")
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    (beside / "parsers.json").write_text(json.dumps({"area": "holds", "what": "mutated inputs", "trials": 1_000_000}))
    assert main(["selftest", "--full", "--readme", str(page), "--counted", str(beside)]) == 0
    lines = page.read_text().splitlines()
    assert lines[:4] == [
        "before",
        report.BEGIN,
        "| area | promise | tried | failed | longest | minutes |",
        "|---|---|---|---|---|---|",
    ]
    assert lines[4] == "| `holds` | two and two are four | 1,000, 1,000,000 mutated inputs | 0 | 499.5 s | 0 |"
    assert lines[6].startswith("optrun ")
    assert lines[8:] == ["- `holds`: on a machine that can count", report.END, "after"]


def test_areas_that_are_tried_one_by_one_come_into_one_table(
    invented: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    page, counted = invented / "page.md", str(made(invented / "counted"))
    page.write_text(f"{report.BEGIN}\n{report.END}\n")
    assert main(["selftest", "fails", "--full", "--counted", counted]) == 1
    monkeypatch.setattr(report.platform, "system", lambda: "Plan 9")
    assert main(["selftest", "holds", "--full", "--counted", counted, "--readme", str(page)]) == 0
    lines = page.read_text().splitlines()
    assert lines[3:7] == [
        "| `holds` | two and two are four | 1,000 | 0 | 499.5 s | 0 |",
        "| `fails` | two and two are four | 3 | 2 |  | 0 |",
        "| `breaks` | two and two are four | not in full |  |  |  |",
        "| `nothing` | two and two are four | not in full |  |  |  |",
    ]
    assert lines[8].startswith("`fails`: optrun ")
    assert lines[9].startswith("`holds`: optrun ")
    assert ", Plan 9, " in lines[9]


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_the_table_keeps_to_the_width_of_the_terminal(width: int, tmp_path: Path) -> None:
    standings = [
        Standing(name, area, tmp_path, trials=123_456, begun=1.0, seconds=99.0) for name, area in AREAS.items()
    ]
    out = io.StringIO()
    Console(file=out, width=width).print(report.table(standings))
    assert max(map(len, out.getvalue().splitlines())) <= width


def test_the_readme_has_the_marks_and_a_line_for_every_area() -> None:
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    text = page.partition(report.BEGIN)[2].partition(report.END)[0]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) <= AREAS.keys()
