"""SIGKILL at any moment, then `optrun resume`: the same metrics.csv to the byte, the same parameters to the bit."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from runner import train
from runner.core.parts import OnDevice
from runner.sampler.full import Full
from runner.sampler.shuffle import Shuffle
from runner.selftest.nursery import Order
from runner.selftest.program import (
    CONFIGURATIONS,
    commits,
    differing,
    killed_after,
    ran,
    remains,
    rows,
    started,
    temporary,
    until,
)
from runner.store import checkpoint
from tests.faults.conftest import FULL

OFTEN = "runner.selftest.inside.often"
KILLED = -9


def go_on(folder: Path, arguments: tuple[str, ...]) -> list[str | Path]:
    """What a user types after a kill: resume what is there, start again where nothing is."""
    return ["resume", folder] if folder.exists() else [*arguments, f"hydra.run.dir={folder.name}"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    epochs = 150
    arguments = (*CONFIGURATIONS[name], f"epochs={epochs}")
    begun = time.monotonic()
    assert ran(*arguments, "hydra.run.dir=whole", cwd=tmp_path, module=OFTEN).code == 0
    duration = time.monotonic() - begun
    cut = tmp_path / "cut"

    # By the clock: somewhere in start-up, in the claim, in training; where exactly depends on the machine.
    for share in (0.1, 0.3, 0.5, 0.7, 0.9) if FULL else (0.6,):
        process = started(*go_on(cut, arguments), cwd=tmp_path, module=OFTEN)
        if killed_after(share * duration, process).code != KILLED:
            shutil.rmtree(cut)  # the machine has become faster meanwhile, and the run has ended
    # By progress: certainly in training, of a run that is itself a resumed one from the second on.
    for share in (0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9) if FULL else (0.3, 0.7):
        process = started(*go_on(cut, arguments), cwd=tmp_path, module=OFTEN)
        until(lambda share=share: rows(cut) >= share * epochs, process)  # type: ignore[misc]
        process.kill()
        assert killed_after(60, process).code in (0, KILLED)
    assert rows(cut) > 0
    assert len(commits(cut)) in (2, 3), "three where the kill came between the newest and the removal of the oldest"

    done = ran("resume", cut, cwd=tmp_path, module=OFTEN)
    assert (done.code, done.err) == (0, "")
    assert rows(cut) == epochs
    assert differing(remains(tmp_path / "whole"), remains(cut)) == []
    assert temporary(cut) == []


def test_the_program_itself_killed_in_training_is_resumed_and_draws_its_pictures(tmp_path: Path) -> None:
    arguments = (*CONFIGURATIONS["adam with dropout"], "epochs=1500")
    assert ran(*arguments, "hydra.run.dir=whole", cwd=tmp_path).code == 0
    cut = tmp_path / "cut"
    process = started(*arguments, "hydra.run.dir=cut", cwd=tmp_path)
    until(lambda: bool(commits(cut)), process)
    process.kill()
    assert killed_after(60, process).code == KILLED
    assert 0 < rows(cut) < 1500
    assert not (cut / "curves.png").exists()
    assert ran("resume", "cut", cwd=tmp_path).code == 0
    assert differing(remains(tmp_path / "whole"), remains(cut)) == []
    assert (cut / "curves.svg").read_bytes() == (tmp_path / "whole" / "curves.svg").read_bytes()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_run_killed_at_random_moments_ends_as_if_it_had_not_been(name: str, child: Order, tmp_path: Path) -> None:
    arguments = (*CONFIGURATIONS[name], "epochs=60")
    begun = time.monotonic()
    assert child(*arguments, "hydra.run.dir=whole", cwd=tmp_path, after_s=60)["code"] == 0
    duration = time.monotonic() - begun
    whole, cut = remains(tmp_path / "whole"), tmp_path / "cut"
    moments, killed = random.Random(name), 0
    for _ in range(60 if FULL else 5):
        seconds = duration * moments.uniform(0.1, 0.6)
        killed += child(*go_on(cut, arguments), cwd=tmp_path, after_s=seconds)["code"] == KILLED
        if rows(cut) == 60:  # it has ended, or nearly: kill another one, sooner
            assert child(*go_on(cut, arguments), cwd=tmp_path, after_s=60)["code"] == 0
            assert differing(whole, remains(cut)) == []
            shutil.rmtree(cut)
            duration *= 0.7
    assert killed > 0
    assert child(*go_on(cut, arguments), cwd=tmp_path, after_s=60)["code"] == 0
    assert differing(whole, remains(cut)) == []


PARTS = 4  # the calls of a run are shared out among as many tests, for as many processors


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", CONFIGURATIONS if FULL else ["adam with dropout"])
@pytest.mark.parametrize("how", ["before", "torn", "after"] if FULL else ["torn"])
def test_a_run_killed_at_any_of_its_system_calls_ends_as_if_it_had_not_been(
    name: str, how: str, part: int, child: Order, tmp_path: Path
) -> None:
    arguments = (*CONFIGURATIONS[name], "epochs=4")
    complete = child(*arguments, "hydra.run.dir=whole", cwd=tmp_path)
    assert complete["code"] == 0
    assert {"write", "fsync", "replace", "rename", "unlink"} <= set(complete["names"])
    whole = remains(tmp_path / "whole")
    assert commits(tmp_path / "whole")[-1] >= "00000004.ckpt", "too few commits to be worth it"
    for at in range(1 + part, complete["calls"] + 1, PARTS):
        cut = tmp_path / f"cut-{at}"
        assert child(*arguments, f"hydra.run.dir={cut.name}", cwd=tmp_path, at=at, how=how)["code"] == KILLED
        if at % 3 == 0:  # and the one that resumes it as well, soon after it began to write
            again = child(*go_on(cut, arguments), cwd=tmp_path, at=3 + at % 11, how=how)["code"]
            assert again in (0, KILLED)
        assert child(*go_on(cut, arguments), cwd=tmp_path)["code"] == 0, f"after a kill at call {at}"
        assert differing(whole, remains(cut)) == [], f"after a kill at call {at}, {complete['names'][at - 1]}"


@pytest.mark.parametrize("at", range(1, 60 if FULL else 26, 1 if FULL else 5))
def test_a_resumption_killed_at_any_of_its_system_calls_is_resumed_in_turn(
    at: int, child: Order, tmp_path: Path
) -> None:
    arguments = (*CONFIGURATIONS["momentum with dropout"], "epochs=4")
    complete = child(*arguments, "hydra.run.dir=whole", cwd=tmp_path)
    cut = tmp_path / "cut"
    half = complete["calls"] // 2
    assert child(*arguments, "hydra.run.dir=cut", cwd=tmp_path, at=half, how="torn")["code"] == KILLED
    assert child("resume", cut, cwd=tmp_path, at=at, how="torn")["code"] in (0, KILLED)
    assert child("resume", cut, cwd=tmp_path)["code"] == 0
    assert differing(remains(tmp_path / "whole"), remains(cut)) == []


def test_a_run_killed_before_its_folder_appears_leaves_nothing_at_its_path(child: Order, tmp_path: Path) -> None:
    arguments = [*CONFIGURATIONS["sgd"], "epochs=1", "hydra.run.dir=run"]
    complete = child(*arguments, cwd=tmp_path)
    shutil.rmtree(tmp_path / "run")
    appears = complete["names"].index("rename") + 1
    assert child(*arguments, cwd=tmp_path, at=appears, how="before")["code"] == KILLED
    assert not (tmp_path / "run").exists()
    assert child(*arguments, cwd=tmp_path, at=appears, how="after")["code"] == KILLED
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {
        ".lock",
        "checkpoint",
        "config.yaml",
        "manifest.json",
        "metrics.csv",
        "summary.json",
        "timing.csv",
        "preprocess.npz",
    }


# The matrix product of a library takes another path for an operand at an odd address, and rounds differently there.
@pytest.mark.parametrize("gathered", [21, 1 << 14])
def test_a_resumed_epoch_has_its_batches_at_the_same_addresses_within_a_cache_line(
    gathered: int,
) -> None:
    part = OnDevice(torch.arange(150.0).reshape(50, 3), torch.arange(50), at_once=gathered)
    for sampler in (Shuffle(batch_size=7), Full()):
        run: Any = SimpleNamespace(sampler=sampler, seed=0)

        def places(done: int, run: Any = run) -> list[tuple[int, list[float], list[int]]]:
            kept = list(train.batches(run, part, 1, done))
            return [(x.data_ptr() % 64, x.flatten().tolist(), y.tolist()) for x, y in kept]

        whole = places(0)
        assert len(whole) == sampler.batches(50)
        for done in range(len(whole) + 1):
            assert places(done) == whole[done:], f"{sampler.label}, after {done} batches"


def test_commits_in_the_middle_of_an_epoch_are_among_those_that_were_tested(child: Order, tmp_path: Path) -> None:
    arguments = [*CONFIGURATIONS["adam with dropout"], "epochs=4", "hydra.run.dir=run"]
    complete = child(*arguments, cwd=tmp_path)
    batches = set()
    for at in range(33, complete["calls"], 9):
        shutil.rmtree(tmp_path / "run")
        child(*arguments, cwd=tmp_path, at=at)
        if found := checkpoint.newest(tmp_path / "run" / "checkpoint"):
            batches.add(found[0]["content"]["batch"])
    assert len(batches - {0}) > 1, "only whole epochs were committed"
