"""`optrun report`: what is on the page is what is in the folders, and can do nobody harm."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner import menu
from runner.command.report import OWN
from runner.core.errors import CorruptError
from runner.report import curves, folders, runs
from runner.report.base import number
from runner.report.folders import CURVES, DETAILED, Damaged, Sweep, report, room
from runner.report.runs import Finding, Run
from runner.report.table import MOST, table
from runner.store.base import write_json
from runner.store.folder import read_rows, sealed
from tests.cli.conftest import Call, call  # noqa: F401
from tests.report.test_gallery import HOSTILE, Page


def whole(run: Run) -> Run:
    """What a run is without a doctor."""
    return run


def told(page: str) -> dict[str, Any]:
    """What the chart of a page is told."""
    (text,) = re.findall(r'<script type="application/json" id="told">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def cells(page: str, caption: str) -> list[list[str]]:
    """The rows of a table: the exact number of a cell, or its text."""
    (body,) = re.findall(rf'aria-label="{caption}.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return [
        [number or text for number, text in re.findall(r'<td(?:[^>]*data-number="([^"]*)")?[^>]*>(.*?)</td>', row)]
        for row in rows
    ]


@pytest.fixture
def page(
    house: Path,
    call: Call,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> str:
    """The page of a run, of one that diverged, and of a sweep."""
    monkeypatch.chdir(house)
    answer = call("report", "adam", "high", "grid", f"out={tmp_path / 'all.html'}")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"{tmp_path / 'all.html'}\n"
    return (tmp_path / "all.html").read_text()


def test_the_curves_are_the_numbers_of_metrics_csv_to_the_last_digit(page: str, house: Path) -> None:
    drawn = {run["name"]: run for run in told(page)["runs"]}
    assert len(drawn) == 2 + 12
    for name, folder in (("adam", "adam"), ("grid: optimizer=adam lr=0.1 seed=1", "grid/7")):
        rows = read_rows(house / folder / "metrics.csv")
        columns = drawn[name]["columns"]
        for key in ("epoch", "step", "lr", "train_loss", "val_loss", "val_accuracy", "grad_norm"):
            assert columns[key] == [row[key] for row in rows]
        with (house / folder / "timing.csv").open() as file:
            assert columns["seconds"] == [float(row["time_s"]) for row in csv.DictReader(file)]
        # a gradient of each of the 105 training examples an epoch
        assert columns["gradients"] == pytest.approx([1, 2, 3, 4, 5], rel=1e-12)  # a sum of thirds rounds


def test_a_loss_that_is_lost_is_a_place_and_no_number(page: str) -> None:
    (high,) = [run for run in told(page)["runs"] if run["name"] == "high"]
    assert (high["status"], high["lost"]) == ("diverged", high["epochs"] - 1)
    assert "train_loss" not in high["columns"] or high["columns"]["train_loss"][high["lost"]] is None


def test_the_ranking_is_that_of_sweep_csv_with_every_digit(page: str, house: Path) -> None:
    with (house / "grid" / "sweep.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: float(row["best_val_loss"]))
    shown = cells(page, "Ranked by the best validation loss")
    assert [row[0] for row in shown] == [str(place) for place in range(1, 13)]
    assert [row[1] for row in shown] == [row["job"] for row in rows]
    assert [[float(x) for x in row[8:13]] for row in shown] == [
        [float(row[name]) for name in list(row)[8:13]] for row in rows
    ]
    with (house / "grid" / "sweep_seeds.csv").open() as file:
        means = [float(row["best_val_loss_mean"]) for row in csv.DictReader(file)]
    assert [float(row[5]) for row in cells(page, "Ranked by the mean over the seeds")] == means
    assert {row[0] for row in cells(page, "share of the variance")} == {"optimizer", "lr", "interactions", "seeds"}


def test_the_page_has_the_verdict_the_rule_the_findings_and_the_commands(page: str, house: Path) -> None:
    seen = Page(page)
    assert seen.open == []
    for said in (
        "✗ diverged",
        "✓ completed",
        "theta <- theta - 1000000.0 g",
        "rate much too high (instability)",
        "optrun report adam high grid out=",
        "optrun plot grid",
        "Not well: the validation loss came to ",
        "optrun doctor high looks closer.",
        *(json.loads((house / name).read_text())["command"] for name in ("adam/manifest.json", "grid/sweep.json")),
    ):
        assert said in seen.text
    places = {given["id"] for _, given in seen.tags if "id" in given}
    assert {str(given["href"]).removeprefix("#") for tag, given in seen.tags if tag == "a"} <= places


def test_what_differs_between_the_configurations_comes_first(page: str) -> None:
    (body,) = re.findall(r'aria-label="Differences of the configurations".*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    lines = re.findall(r"<code>([^<]*)</code></th>(.*?)</tr>", body)
    differ = {key: re.findall(r"<td><code>(.*?)</code>", rest) for key, rest in lines}
    assert differ["lr"][:2] == ["0.001", "1000000.0"]
    assert differ["optimizer"][:2] == ["adam", "sgd"]
    assert "batch_size" not in differ
    assert "dataset.validation" not in differ
    assert "<mark>sgd</mark>" in page


def test_a_page_loads_nothing_and_runs_its_own_scripts_alone(page: str) -> None:
    seen = Page(page)
    assert all(str(given["src"]).startswith("data:image/") for _, given in seen.tags if "src" in given)
    assert not any(name.startswith("on") for _, given in seen.tags for name in given)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in seen.tags}
    assert "url(" not in page
    assert "@import" not in page
    (policy,) = [str(given["content"]) for _, given in seen.tags if "http-equiv" in given]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"


def test_equal_folders_give_equal_bytes(
    page: str,
    house: Path,
    call: Call,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(house)
    assert call("report", "adam", "high", "grid", f"out={tmp_path / 'all.html'}").code == 0
    assert (tmp_path / "all.html").read_text() == page


def test_hostile_names_are_shown_as_they_were_typed(house: Path) -> None:
    hostile = HOSTILE + "\x1b[2J\u202e</script><!--"
    visible = HOSTILE + "\\x1b[2J\\u202e</script><!--"
    plain = runs.read(house / "adam", "adam")
    manifest = dict(plain.manifest) | dict.fromkeys(("title", "command", "update_rule", "equivalent_to"), hostile)
    columns = [*plain.manifest["columns"], hostile]
    run = replace(
        plain,
        name=hostile,
        folder=Path(hostile),
        manifest=manifest | {"columns": columns},
        rows=[{**row, hostile: 1.0} for row in plain.rows],
        summary={**plain.summary, "verdict": hostile, "test": {hostile: 1.0}},
        config={hostile: hostile},
        remarks=(hostile,),
        findings=(Finding(hostile, hostile, hostile, hostile),),
        doctor=hostile,
    )
    rows = table(hostile, [[hostile], [hostile]], hostile)
    sweep = Sweep(Path(hostile), hostile, hostile, hostile, hostile, [(rows, hostile)], [run], 3)
    page = report([run, plain], [sweep], [Damaged(hostile, hostile)], hostile, whole)
    seen = Page(page)
    assert seen.open == []
    assert [given.get("type", "") for tag, given in seen.tags if tag == "script"] == ["application/json", "", ""]
    assert not any(name.startswith("on") for _, given in seen.tags for name in given)
    assert all(str(given["src"]).startswith("data:image/") for _, given in seen.tags if "src" in given)
    assert seen.text.count(visible) > 25
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert [run["name"] for run in told(page)["runs"]] == [visible, "adam", visible]


def test_a_damaged_run_is_named_and_the_others_are_shown(house: Path, call: Call, tmp_path: Path) -> None:  # noqa: F811
    for name in ("adam", "high", "grid"):
        shutil.copytree(house / name, tmp_path / name)
    for name in ("adam", "grid/7"):
        file = tmp_path / name / "metrics.csv"
        file.write_bytes(file.read_bytes().replace(b"1", b"2", 1))
    answer = call("report", "adam", "high", "grid")
    assert answer.code == CorruptError.exit_code
    assert answer.out == "adam/report.html\n"
    damage = "metrics.csv does not hold what was committed; it was changed or damaged since"
    assert answer.err == f"optrun: not on the page: adam/{damage}\noptrun: not on the page: grid/7/{damage}\n"
    text = (tmp_path / "adam" / "report.html").read_text()
    assert f'<code>adam</code>: <span class="lines">adam/{damage}' in text
    assert [run["name"].split(":")[0] for run in told(text)["runs"]] == ["high", *["grid"] * 11]


def test_a_damaged_summary_in_a_sweep_is_a_row_of_it(house: Path, call: Call, tmp_path: Path) -> None:  # noqa: F811
    shutil.copytree(house / "grid", tmp_path / "grid")
    (tmp_path / "grid" / ".sweep.csv.json").unlink()
    (tmp_path / "grid" / "7" / "summary.json").write_text("{}")
    assert call("report", "grid").code == 0
    text = (tmp_path / "grid" / "report.html").read_text()
    assert "12 runs: 11 completed, 1 damaged" in text
    assert cells(text, "Ranked by the best validation loss")[-1][:6] == ["", "7", "adam", "0.1", "1", "damaged"]


def test_a_run_whose_data_are_gone_is_shown_without_the_doctor(call: Call, tmp_path: Path) -> None:  # noqa: F811
    lines = [f"{k % 7},{k % 5},{k % 3}" for k in range(60)]
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,y", *lines]))
    words = ("dataset=csv", "dataset.path=mine.csv", "dataset.target=y", "epochs=4", "architecture.hidden=[4]")
    assert call(*words, "hydra.run.dir=mine").code == 0
    (tmp_path / "mine.csv").unlink()
    assert call("report", "mine").code == 0
    text = (tmp_path / "mine" / "report.html").read_text()
    assert "The doctor could not look at it: " in text
    assert "mine.csv" in text
    assert call("report", "mine", "doctor=off").code == 0
    assert "The doctor was not asked (doctor=off)." in (tmp_path / "mine" / "report.html").read_text()


def test_a_run_that_was_killed_is_shown_as_far_as_it_came(house: Path, call: Call, tmp_path: Path) -> None:  # noqa: F811
    shutil.copytree(house / "adam", tmp_path / "adam")
    run = json.loads((tmp_path / "adam" / "manifest.json").read_text())["sha256"]
    write_json(tmp_path / "adam" / "summary.json", sealed({"status": "running"}, of=run))
    assert call("report", "adam").code == 0
    text = (tmp_path / "adam" / "report.html").read_text()
    assert "◐ interrupted" in text
    assert f"<dd>{number(read_rows(house / 'adam' / 'metrics.csv')[-1]['val_loss'])}</dd>" in text
    for name in ("metrics.csv", "timing.csv"):
        header, *_ = (tmp_path / "adam" / name).read_text().splitlines()
        (tmp_path / "adam" / name).write_text(header + "\n")
    for commit in (tmp_path / "adam" / "checkpoint").iterdir():
        commit.unlink()
    assert call("report", "adam").code == 0
    text = (tmp_path / "adam" / "report.html").read_text()
    assert text.count("<script") == 1
    assert "a run on data with an epoch or more; this one has no epoch yet" in text


def test_a_picture_that_is_a_link_is_not_taken_along(house: Path, call: Call, tmp_path: Path) -> None:  # noqa: F811
    shutil.copytree(house / "adam", tmp_path / "adam")
    (tmp_path / "secret").write_text("what nobody else should read")
    for kind in ("png", "svg"):
        (tmp_path / "adam" / f"curves.{kind}").unlink()
        (tmp_path / "adam" / f"curves.{kind}").symlink_to(tmp_path / "secret")
    assert call("report", "adam").code == 0
    assert "<img" not in (tmp_path / "adam" / "report.html").read_text()


def test_a_run_without_its_seconds_has_no_such_axis(house: Path, call: Call, tmp_path: Path) -> None:  # noqa: F811
    shutil.copytree(house / "adam", tmp_path / "adam")
    (tmp_path / "adam" / "timing.csv").write_text("a,b\n1,2\n")
    assert call("report", "adam").code == 0
    (run,) = told((tmp_path / "adam" / "report.html").read_text())["runs"]
    assert "seconds" not in run["columns"]


def test_more_runs_than_the_page_has_room_for_are_counted_on_it(house: Path) -> None:
    one = runs.read(house / "adam", "adam")
    page = report([one] * 600, [], [], "optrun report *", whole)
    assert len(told(page)["runs"]) == CURVES
    assert sum(run["on"] for run in told(page)["runs"]) == 8
    assert len(cells(page, "The runs that were named")) == MOST
    assert page.count("<article") == DETAILED
    for said in (
        f"{600 - CURVES} runs that were named have no curve here",
        f"{600 - MOST} more rows are not on this page",
        f"{600 - DETAILED} further runs that were named are in the table alone",
    ):
        assert said in page
    sweep = Sweep(Path("grid"), "grid", "", "", "", [], [one] * room(0, 1)[1], 960)
    said = f"Of grid the best {CURVES} completed runs have a curve, 960 others have none"
    assert said in report([], [sweep], [], "", whole)


def test_a_picture_for_which_there_is_no_room_is_named(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PICTURES", 1000)
    monkeypatch.chdir(house)
    page = report([runs.read(Path("adam"), "adam")], [], [], "", whole)
    assert "<img" not in page
    said = r"it lies in <code>adam/curves\.(png|svg)</code> \(\d+ kB\), drawn by <code>optrun plot adam</code>\."
    assert re.search(rf"The picture curves of .* is left out for its size</strong>: {said}", page)


def test_a_long_run_is_thinned_and_a_spike_of_one_epoch_stays(house: Path) -> None:
    one = runs.read(house / "adam", "adam")
    rows = [{**one.rows[0], "epoch": k + 1, "val_loss": 1.0 + k * 1e-6} for k in range(20_000)]
    rows[7_777] |= {"val_loss": 99.0}
    rows[9_999] |= {"train_loss": math.nan}
    long = replace(one, rows=rows)
    drawn = curves.chart([long], [0])["runs"][0]
    assert drawn["epochs"] == 20_000
    assert curves.LEAST < len(drawn["columns"]["epoch"]) <= curves.most_of([long])
    assert drawn["columns"]["val_loss"][drawn["columns"]["epoch"].index(7_778)] == 99.0
    assert drawn["columns"]["epoch"][drawn["lost"]] == 10_000
    assert (drawn["columns"]["epoch"][0], drawn["columns"]["epoch"][-1]) == (1, 20_000)
    assert "Of 1 runs not every epoch is drawn" in report([long], [], [], "", whole)


@pytest.mark.parametrize("text", ["a: &a [*a", "a: &a {b: *a}", "[" * 5000], ids=["cut", "itself", "deep"])
def test_a_configuration_that_nobody_wrote_is_refused(text: str) -> None:
    with pytest.raises(CorruptError, match=r"^adam/config\.yaml is not what optrun writes: "):
        runs.flat(Path("adam"), text)


def test_a_configuration_that_unfolds_without_end_is_cut() -> None:
    doubling = "\n".join(["a0: &a0 {x: 1}", *(f"a{k}: &a{k} {{l: *a{k - 1}, r: *a{k - 1}}}" for k in range(1, 40))])
    assert len(runs.flat(Path("adam"), doubling)) == runs.KEYS


def test_its_help_names_every_key_that_it_takes_and_keeps_to_the_width(call: Call) -> None:  # noqa: F811
    answer = call("report", "--help")
    assert (answer.code, answer.out) == (0, menu.report_page(100) + "\n")
    for key in (*OWN, "plugins"):
        assert f"  {key}=" in answer.out
    assert max(map(len, menu.report_page(80).splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (),
            "optrun: report is refused\n"
            "  allowed: optrun report FOLDER ..., with out=FILE.html, doctor=off and plugins=[my_package]\n"
            "  do this: name folders of runs and sweeps, as in outputs/...\n",
        ),
        (
            (".", "title=mine"),
            "optrun: report . title=mine is refused\n"
            "  allowed: optrun report FOLDER ..., with out=FILE.html, doctor=off and plugins=[my_package]\n"
            "  do this: name folders of runs and sweeps, as in outputs/...\n",
        ),
        (
            (".", "out=metrics.csv"),
            "optrun: out=metrics.csv is refused\n"
            "  allowed: a file whose name ends in .html\n  do this: try out=report.html\n",
        ),
        (
            (".", "doctor=maybe"),
            "optrun: doctor=maybe is refused\n"
            "  allowed: on or off\n  do this: leave it out; doctor=off builds no run again\n",
        ),
        (
            ("nowhere",),
            "optrun: nowhere is refused\n"
            "  allowed: the folder of a run or of a sweep\n"
            "  do this: name a folder that optrun made, as in outputs/...\n",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_and_nothing_is_written(
    words: tuple[str, ...],
    message: str,
    call: Call,  # noqa: F811
    tmp_path: Path,
) -> None:
    answer = call("report", *words)
    assert (answer.code, answer.out, answer.err) == (2, "", message)
    assert list(tmp_path.iterdir()) == []
