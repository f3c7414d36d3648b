"""What somebody else wrote, with every hash right: another form is found, whatever is read; never a bug."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from runner import cli, job
from runner.store import checkpoint, folder
from runner.store.base import read_json, write_json
from runner.store.folder import RunFolder, sealed
from tests.cli.conftest import TINY

VALUES: tuple[Any, ...] = (None, 3, 0.5, True, "x", [], ["x"], [[3]], {}, {"x": 3}, {"x": {"x": 3}})
GONE = object()
RUN = (*TINY, "dataset=iris", "stop=epochs", "expect={val_loss:99}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was cut off, one that has ended, and a sweep."""
    home = tmp_path_factory.mktemp("home")
    append = RunFolder.append

    def interrupting(self: RunFolder, *row: Any) -> None:
        if self.rows:
            raise KeyboardInterrupt
        append(self, *row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "drawn", lambda path: [])
        assert cli.main([*RUN, f"hydra.run.dir='{home}/ended'"]) == 0
        assert cli.main(["-m", *RUN, "seed=0,1", f"hydra.sweep.dir='{home}/sweep'", "workers=1"]) == 0
        patch.setattr(folder, "LEAST_S", 0.0)
        patch.setattr(folder, "SHARE", 0)
        patch.setattr(RunFolder, "append", interrupting)
        assert cli.main([*RUN, f"hydra.run.dir='{home}/cut'"]) == 130
    assert checkpoint.stored(home / "cut" / "checkpoint")
    return home


def places(tree: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a tree of mappings and lists."""
    match tree:
        case dict():
            for key, value in tree.items():
                yield (*place, key)
                yield from places(value, (*place, key))
        case list():
            for at, value in enumerate(tree[:2]):
                yield (*place, at)
                yield from places(value, (*place, at))


def changed(tree: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of a tree with another value at one place, or none."""
    tree = copy.deepcopy(tree)
    inner = tree
    for key in place[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return tree


def forgeries(tree: Any) -> Iterator[tuple[str, Any]]:
    """A tree with something else at every place; hashes of itself left out."""
    for place in places(tree):
        if place[-1] != "sha256":
            for value in (*VALUES, GONE):
                told = "nothing" if value is GONE else json.dumps(value)
                yield f"{told} at {place}", changed(tree, place, value)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and the message of a command."""
    code = cli.main(list(arguments))
    return code, capsys.readouterr().err


def fresh(home: Path, name: str, tmp_path: Path) -> Path:
    """A copy of a folder under one name."""
    shutil.rmtree(tmp_path / "here", ignore_errors=True)
    return Path(shutil.copytree(home / name, tmp_path / "here"))


@pytest.mark.parametrize(
    ("name", "file", "command"),
    [
        ("cut", "manifest.json", "resume"),
        ("cut", "summary.json", "resume"),
        ("ended", "manifest.json", "plot"),
        ("ended", "summary.json", "resume"),
        ("sweep", "sweep.json", "plot"),
        ("sweep", "0/summary.json", "resume"),
    ],
)
def test_a_file_of_another_form_is_found_or_makes_no_difference(
    name: str,
    file: str,
    command: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(job, "drawn", lambda path: [])
    monkeypatch.setattr("runner.sweep.launch.Sweep.drawn", lambda self: [])
    whole = read_json(home / name / file)
    del whole["sha256"]
    for what, forged in forgeries(whole):
        here = fresh(home, name, tmp_path)
        run = (here / file).parent
        of = read_json(run / "manifest.json")["sha256"] if file.endswith("summary.json") else ""
        write_json(here / file, sealed(forged, of=of))
        if file == "manifest.json":
            summary = read_json(here / "summary.json")
            del summary["sha256"]
            write_json(here / "summary.json", sealed(summary, of=read_json(here / file)["sha256"]))
        code, said = told(capsys, command, str(here))
        assert code in (0, 2, 6, 8), f"{what}: exit code {code}\n{said}"
        assert "Traceback" not in said


def test_a_commit_of_another_form_is_found_or_makes_no_difference(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "drawn", lambda path: [])
    content = checkpoint.newest(home / "cut" / "checkpoint")
    assert content is not None
    for what, forged in forgeries(content[0]):
        here = fresh(home, "cut", tmp_path)
        for path in checkpoint.stored(here / "checkpoint"):
            path.write_bytes(checkpoint.encode(forged))
        code, said = told(capsys, "resume", str(here))
        assert code in (0, 3, 6), f"{what}: exit code {code}\n{said}"


def test_a_tensor_of_another_shape_or_type_in_a_commit_is_found(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = checkpoint.newest(home / "cut" / "checkpoint")
    assert content is not None
    for other in (torch.zeros(3), torch.zeros(0), torch.zeros(2, 2, dtype=torch.int64)):
        here = fresh(home, "cut", tmp_path)
        forged = changed(content[0], ("content", "theta"), other)
        for path in checkpoint.stored(here / "checkpoint"):
            path.write_bytes(checkpoint.encode(forged))
        code, said = told(capsys, "resume", str(here))
        assert code == 6
        assert said.startswith(f"optrun: {here / 'checkpoint'} does not hold what this run keeps: ")


def test_a_folder_in_the_place_of_the_newest_commit_is_noted_and_passed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "drawn", lambda path: [])
    here = fresh(home, "cut", tmp_path)
    newer = here / "checkpoint" / "00000009.ckpt"
    newer.mkdir()
    assert cli.main(["resume", str(here)]) == 0
    assert f"note: checkpoint {newer} is no file; the commit before it is used\n" in capsys.readouterr().out
    kept = [path.name for path in checkpoint.stored(here / "checkpoint")]
    assert kept[0] > newer.name, "later commits stand behind it"
    assert (here / "metrics.csv").read_bytes() == (home / "ended" / "metrics.csv").read_bytes()
