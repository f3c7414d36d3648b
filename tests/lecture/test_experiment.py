"""Experiments of the lectures from the shell: run, judged, taken up again, drawn again, listed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from runner.lecture.base import claim
from runner.menu.lectures import DECKS, experiments
from tests.cli.conftest import REPOSITORY, Call, call  # noqa: F401 - a fixture

QUICK = "+experiment=grosse/terminal_velocity"
FILES = sorted((REPOSITORY / "conf" / "experiment").glob("*/*.yaml"))


def verdict(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return content


def test_an_experiment_measures_judges_and_draws(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call(QUICK, "hydra.run.dir=seen")
    assert answer.code == 0, answer.err
    assert "verdict: holds\n" in answer.out
    told = verdict(tmp_path / "seen")
    assert told["verdict"] == "holds"
    assert told["measured"]["here"]["value"] == pytest.approx(10.0, rel=1e-3)  # 1/(1 - 0.9)
    assert told["measured"]["without momentum"]["value"] == pytest.approx(1.0, rel=1e-6)
    for picture in ("claim.png", "claim.svg"):
        assert (tmp_path / "seen" / picture).stat().st_size > 10_000


def test_without_its_cause_a_claim_does_not_hold(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call(QUICK, "+lecture.cases={here:{momentum:['optimizer.mu=0']}}", "hydra.run.dir=off")
    assert answer.code == 0, answer.err
    assert verdict(tmp_path / "off")["verdict"] == "does not hold here"


WITHOUT = {
    "sun/orthogonal": "['init=fan_in']",
    "sun/absent_classes": "['loss=mse','loss.one_hot=true']",
}


@pytest.mark.parametrize("name", WITHOUT)
def test_what_a_lecture_names_as_the_cause_decides(name: str, call: Call, tmp_path: Path) -> None:  # noqa: F811
    cause = f"+lecture.cases={{here:{WITHOUT[name]}}}"
    for folder, words, expected in (("with", (), "holds"), ("without", (cause,), "does not hold here")):
        answer = call(f"+experiment={name}", *words, f"hydra.run.dir={folder}")
        assert answer.code == 0, answer.err
        assert verdict(tmp_path / folder)["verdict"] == expected
    kept, *lost = verdict(tmp_path / "with")["measured"].values()
    room = max(kept["high"] - kept["low"], 1e-6)
    assert all(abs(each["low"] - kept["high"]) > 1e4 * room for each in lost), "they differ in more than spread"


def test_a_control_that_shows_the_same_takes_the_claim_back(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call(QUICK, "+lecture.control={nothing:[]}", "hydra.run.dir=off")
    assert answer.code == 0, answer.err
    said = "does not hold here: it is so without the cause too (nothing)"
    assert verdict(tmp_path / "off")["verdict"] == said


def test_an_experiment_that_was_cut_off_is_completed_with_the_same_numbers(call: Call, tmp_path: Path) -> None:  # noqa: F811
    assert call(QUICK, "hydra.run.dir=seen").code == 0
    seen = tmp_path / "seen"
    before = verdict(seen), (seen / "claim.png").read_bytes()
    shutil.rmtree(seen / "1")
    for name in ("verdict.json", "claim.png"):
        (seen / name).unlink()
    assert call("resume", "seen").code == 0
    assert (verdict(seen), (seen / "claim.png").read_bytes()) == before


def test_it_is_judged_and_drawn_again_from_its_folders(call: Call, tmp_path: Path) -> None:  # noqa: F811
    assert call(QUICK, "hydra.run.dir=seen").code == 0
    before = verdict(tmp_path / "seen")
    (tmp_path / "seen" / "verdict.json").unlink()
    assert call("plot", "seen").code == 0
    assert verdict(tmp_path / "seen") == before


def test_a_claim_that_was_changed_in_its_folder_is_not_judged(call: Call, tmp_path: Path) -> None:  # noqa: F811
    assert call(QUICK, "hydra.run.dir=seen").code == 0
    file = tmp_path / "seen" / "lecture.json"
    file.write_text(file.read_text().replace("9.99", "0.99"))
    answer = call("plot", "seen")
    assert answer.code == 6
    assert (
        answer.err
        == f"optrun: {file.relative_to(tmp_path)} was changed, or is of a format that this optrun does not read\n"
    )


def test_an_experiment_is_one_command_and_not_a_sweep(call: Call) -> None:  # noqa: F811
    answer = call("-m", QUICK)
    assert answer.code == 2
    assert answer.err == (
        "optrun: optrun -m +experiment=... is refused\n  allowed: one experiment\n"
        "  do this: leave out -m; what else the command says is on top of every arm\n"
    )


def test_an_experiment_that_is_not_there_is_refused_with_those_that_are(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("+experiment=grosse/ravin")
    assert answer.code == 2
    assert answer.err.startswith(
        "optrun: experiment=grosse/ravin is refused\n  allowed: an experiment of the lectures: "
    )
    assert answer.err.endswith("  do this: did you mean grosse/ravine? `optrun lectures` describes them\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["+experiment=", "+experiment=3", "experiment=[grosse/ravine]", "+experiment={a:1}"])
def test_what_is_no_name_of_an_experiment_is_refused_in_the_same_words(given: str, call: Call) -> None:  # noqa: F811
    answer = call(given)
    assert answer.code == 2
    assert answer.err.splitlines()[1].startswith("  allowed: an experiment of the lectures: grosse/")


def test_a_key_that_there_is_not_is_refused_as_in_a_run_and_several_probes_are_a_list(call: Call) -> None:  # noqa: F811
    assert call(QUICK, "nothing=1").err.startswith("optrun: nothing=1 is refused\n  allowed: the keys dataset, ")
    answer = call(QUICK, "probe=[distance,symetry]")
    assert answer.err.splitlines()[-1] == "  do this: did you mean symmetry? `optrun list probe` describes them"


def test_they_are_listed_with_their_verdicts(call: Call) -> None:  # noqa: F811
    assert call(QUICK, "hydra.run.dir=outputs/one").code == 0
    answer = call("lectures")
    assert answer.code == 0
    flat = " ".join(answer.out.split())
    assert all(each.name in flat for each in experiments())
    assert "and no further [holds]" in flat


def test_a_deck_or_an_experiment_is_run_by_its_name_once(call: Call, tmp_path: Path) -> None:  # noqa: F811
    assert call("lectures", "run", "grosse/saddle_exact").code == 0
    folder = tmp_path / "outputs" / "lectures" / "grosse" / "saddle_exact"
    before = (folder / "verdict.json").stat().st_mtime_ns
    assert call("lectures", "run", "grosse/saddle_exact").code == 0
    assert (folder / "verdict.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("words", [("--help",), ("run", "-h")])
def test_its_help_names_every_deck_and_every_word(words: tuple[str, ...], call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("lectures", *words)
    assert (answer.code, answer.err) == (0, "")
    for each in (*DECKS, "optrun lectures run", "optrun lectures gallery", "optrun +experiment=DECK/CLAIM"):
        assert each in answer.out
    assert max(map(len, answer.out.splitlines())) <= 100  # what a pipe gets
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_as_it_is_printed_is_said_beside_the_verdict(call: Call, tmp_path: Path) -> None:  # noqa: F811
    answer = call("+experiment=sun/eps_placement", "hydra.run.dir=seen")
    assert answer.code == 0, answer.err
    assert "as printed: does not hold here, it would be 1\nverdict: holds\n" in answer.out
    told = verdict(tmp_path / "seen")
    assert (told["printed"], told["as_printed"]) == (1.0, "does not hold here, it would be 1")
    assert [each["title"] for each in told["measured"].values()] == ["the experiment", "a small eps"]


def test_the_gallery_has_what_was_run_and_names_what_was_not(call: Call, tmp_path: Path) -> None:  # noqa: F811
    assert call("lectures", "run", "grosse/saddle_exact").code == 0
    answer = call("lectures", "gallery")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == f"1 of {len(experiments())} claims in outputs/lectures/gallery.html\n"
    page = (tmp_path / "outputs" / "lectures" / "gallery.html").read_bytes()
    assert page.count(b"<article id=") == len(experiments())
    assert page.count(b"not run yet") == len(experiments()) - 1
    assert page.count(b"data:image/svg+xml;base64,") == 1
    assert call("lectures", "gallery").code == 0
    assert (tmp_path / "outputs" / "lectures" / "gallery.html").read_bytes() == page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("rum",),
            "optrun: optrun lectures rum is refused\n  allowed: run, gallery\n"
            "  do this: did you mean run? `optrun lectures` lists them, `optrun lectures run` tries them\n",
        ),
        (
            ("gallery", "grosse"),
            "optrun: optrun lectures gallery grosse is refused\n  allowed: optrun lectures gallery\n"
            "  do this: leave out grosse; the page has every deck\n",
        ),
        (
            ("run", "grose"),
            "optrun: optrun lectures run grose is refused\n"
            "  allowed: a deck (grosse, sun, su, farrahi) or one of its experiments\n"
            "  do this: did you mean grosse? `optrun lectures` lists them\n",
        ),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], message: str, call: Call) -> None:  # noqa: F811
    answer = call("lectures", *words)
    assert (answer.code, answer.err) == (2, message)


def test_the_readme_tells_how_many_there_are() -> None:
    assert f"as experiments, {len(FILES)} so far." in (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_names_its_command_a_claim_and_a_control(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    comments = re.findall(r"^# (.*)$", text, re.MULTILINE)
    assert path.parent.name in DECKS
    assert comments[:2] == ["@package _global_", f"optrun +experiment={path.parent.name}/{path.stem}"]
    assert comments[2]
    made = claim(OmegaConf.to_container(OmegaConf.load(path)["lecture"]))
    assert made.control
    assert made.bounds[0] <= made.predicted <= made.bounds[1]
    assert made.right or made.printed is None  # where a number shows the error, the right statement is said
