"""What is asked of Optuna and told to it, and its journal under a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from runner.core.errors import CorruptError
from runner.ranges import Interval, Listed
from runner.tune.base import Proposer, State, Told
from runner.tune.study import JOURNAL, Study

SPACE = [
    Interval("lr", "lr", "", 1e-4, 1.0, "log", whole=False),
    Interval("width", "width", "", 4.0, 64.0, "log", whole=True),
    Listed("rule", "rule", "", ("sgd", "adam"), ordered=False),
    Listed("epochs", "epochs", "", ("5", "10", "15"), ordered=True),
]


def study(folder: Path, search: Proposer = "tpe", seed: int = 0, direction: str = "min") -> Study:
    folder.mkdir(exist_ok=True)
    return Study(folder, SPACE, search, seed, direction)


def asked(one: Study, size: int) -> list[dict[str, str]]:
    """One more batch."""
    before = len(one.trials)
    one.announce(size)
    one.ask()
    return list(one.settings(before))


def told(one: Study) -> None:
    """Tell of every open trial a loss that is least at lr=0.01."""
    settings = list(one.settings(0))
    one.tell(Told(number, "completed", abs(float(settings[number]["lr"]) - 0.01), 1) for number in reversed(one.open))


def three_batches(folder: Path, search: Proposer, seed: int = 0) -> list[dict[str, str]]:
    one = study(folder, search, seed)
    for size in (10, 4, 4):
        asked(one, size)
        told(one)
    return list(one.settings(0))


@pytest.mark.parametrize("search", ["tpe", "random", "sobol"])
def test_a_study_proposes_values_of_its_ranges(search: Proposer, tmp_path: Path) -> None:
    for setting in three_batches(tmp_path / "one", search):
        assert 1e-4 <= float(setting["lr"]) <= 1
        assert 4 <= int(setting["width"]) <= 64
        assert setting["rule"] in ("sgd", "adam")
        assert setting["epochs"] in ("5", "10", "15")


@pytest.mark.parametrize("search", ["tpe", "random", "sobol"])
def test_the_same_seed_proposes_the_same_and_another_seed_something_else(search: Proposer, tmp_path: Path) -> None:
    first = three_batches(tmp_path / "one", search)
    assert first == three_batches(tmp_path / "two", search)
    other = three_batches(tmp_path / "three", search, seed=1)
    assert len({setting["lr"] for setting in (*first, *other)}) == len({*(s["lr"] for s in first)}) + len(
        {*(s["lr"] for s in other)}
    )


@pytest.mark.parametrize("search", ["tpe", "random"])
def test_a_study_that_is_opened_again_goes_on_as_if_it_had_not_been_closed(search: Proposer, tmp_path: Path) -> None:
    for size in (10, 4, 4):
        asked(study(tmp_path / "one", search), size)
        told(study(tmp_path / "one", search))
    assert list(study(tmp_path / "one", search).settings(0)) == three_batches(tmp_path / "two", search)


def test_a_kill_at_any_byte_of_the_journal_loses_no_proposal(tmp_path: Path) -> None:
    whole = three_batches(tmp_path / "whole", "tpe")
    data = (tmp_path / "whole" / JOURNAL).read_bytes()
    lines = data.splitlines(keepends=True)
    begun = len(b"".join(lines[:3]))  # the study, its direction and its first batch
    cuts = range(begun, data.index(b'"op_code":6', begun) - 40, 211)  # before anything was told
    assert len(cuts) > 10
    for cut in cuts:
        folder = tmp_path / f"cut{cut}"
        folder.mkdir()
        (folder / JOURNAL).write_bytes(data[:cut])
        (folder / f"{JOURNAL}.lock").symlink_to(JOURNAL)  # of the process that was killed
        one = study(folder)
        assert one.batches == [10]
        one.ask()
        assert list(one.settings(0)) == whole[:10], cut
        assert not list(folder.glob("*.lock*"))


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    three_batches(tmp_path / "one", "random")
    file = tmp_path / "one" / JOURNAL
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:5], b"{not json\n", *lines[6:]]))
    with pytest.raises(CorruptError, match=r"study.log does not hold what Optuna wrote: "):
        study(tmp_path / "one")


@pytest.mark.parametrize(
    ("state", "value", "kept", "number"),
    [
        ("completed", 0.5, TrialState.COMPLETE, 0.5),
        ("pruned", 0.7, TrialState.PRUNED, 0.7),
        ("diverged", None, TrialState.PRUNED, None),
        ("failed", None, TrialState.FAIL, None),
    ],
)
def test_the_study_is_told_what_became_of_a_trial_and_no_number_that_nobody_measured(
    state: State, value: float | None, kept: TrialState, number: float | None, tmp_path: Path
) -> None:
    one = study(tmp_path / "one")
    asked(one, 1)
    one.tell([Told(0, state, value, 3)])
    assert (one.trials[0].state, one.trials[0].value) == (kept, number)
    assert one.open == []


def test_tpe_takes_a_diverged_trial_for_worse_than_any_that_has_a_number(tmp_path: Path) -> None:
    one = study(tmp_path / "one")
    settings = asked(one, 30)
    one.tell(
        Told(number, "diverged", None, 1) if float(setting["lr"]) > 0.01 else Told(number, "completed", 1.0, 1)
        for number, setting in enumerate(settings)
    )
    later = [float(setting["lr"]) for setting in asked(one, 10)]
    assert sum(lr > 0.01 for lr in later) <= 2  # half of the range; drawn evenly, five would be
