"""`optrun doctor` from the shell, and the doctor's lines at the end of a run."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Call

SMALL = ("dataset=iris", "architecture.hidden=[8,8]", "batch_size=20")
SLOW = (*SMALL, "optimizer=sgd", "lr=1e-5", "epochs=8")
HIGH = (*SMALL, "optimizer=sgd", "lr=1e6", "epochs=8")


def contents(path: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in sorted(path.rglob("*")) if each.is_file()}


def test_it_names_the_fault_its_numbers_its_source_and_a_command_and_writes_nothing(call: Call, tmp_path: Path) -> None:
    call(*SLOW, "hydra.run.dir=slow")
    before = contents(tmp_path)
    answer = call("doctor", "slow")
    assert answer.code == 0, answer.err
    head, name, seen, source, command, *_ = answer.out.splitlines()
    assert head.endswith(", 8 epochs, completed")
    assert name == "1. rate too low (slow progress)"
    assert seen.startswith("   seen:   8 epochs took the training loss from ")
    assert source == '   source: Grosse, CSC321 lecture 8: "too small: slow progress"; Sun p. 32'
    words = " ".join(word for word in SLOW if word != "lr=1e-5")
    assert command == f"   try:    {shlex.join(['optrun', *words.split(), 'lr=0.01'])}"
    assert contents(tmp_path) == before


def test_the_command_that_it_gives_runs_and_learns_more(call: Call, tmp_path: Path) -> None:
    from runner.store.folder import read_rows

    call(*SLOW, "hydra.run.dir=slow")
    line = next(line for line in call("doctor", "slow").out.splitlines() if line.startswith("   try:"))
    _, *words = shlex.split(line.removeprefix("   try:    "))
    assert call(*words, "hydra.run.dir=next").code == 0
    losses = [read_rows(tmp_path / name / "metrics.csv")[-1]["val_loss"] for name in ("slow", "next")]
    assert losses[1] < losses[0]


def test_a_run_that_diverges_ends_with_what_to_try(call: Call) -> None:
    answer = call(*HIGH, "hydra.run.dir=high")
    assert answer.code == 3
    first, second = answer.out.splitlines()[-2:]
    assert first.startswith("doctor:      rate much too high (instability): the run diverged in epoch 1, step ")
    words = " ".join(word for word in HIGH if word != "lr=1e6")
    again = shlex.join(["optrun", *words.split(), "lr=1e+05"])
    assert second == f"doctor:      try {again}; optrun doctor high looks closer"


def test_a_run_that_learns_nothing_is_sent_to_the_doctor(call: Call) -> None:
    answer = call(*SMALL, "init=zeros", "epochs=5", "hydra.run.dir=zeros")
    assert answer.out.splitlines()[-1].startswith("doctor:      the validation loss came to 1.")
    assert answer.out.endswith("; optrun doctor zeros looks for the cause\n")
    assert "1. symmetric units\n" in call("doctor", "zeros").out


def test_a_healthy_run_hears_nothing(call: Call) -> None:
    answer = call("dataset=iris", "batch_size=20", "lr=0.01", "epochs=60", "hydra.run.dir=well")
    assert "doctor" not in answer.out
    assert call("doctor", "well").out.splitlines()[1:] == [
        "nothing wrong seen; that is no proof: curves can reveal problems, they cannot guarantee convergence"
    ]


def test_of_a_short_run_it_says_what_it_does_not_know(call: Call) -> None:
    call(*SMALL, "epochs=2", "hydra.run.dir=short")
    told = call("doctor", "short").out.splitlines()
    assert told[-1] == "not known: how the curves go, of which there are 2 epochs; 4 or more would tell"


def test_a_problem_without_data_and_a_sweep_are_refused(call: Call) -> None:
    call("problem=bowl", "epochs=2", "hydra.run.dir=bowl")
    assert call("doctor", "bowl").err == (
        "optrun: bowl is refused\n"
        "  allowed: a run on data with an epoch or more; this one has a problem without data\n"
        "  do this: name another folder; of a run that was cut off, optrun resume makes one\n"
    )
    call("-m", *SMALL, "lr=0.1,0.01", "epochs=1", "hydra.sweep.dir=sweep", "workers=1")
    answer = call("doctor", "sweep")
    assert answer.code == 2
    assert answer.err == (
        "optrun: sweep is refused\n  allowed: the folder of one run\n  do this: name one of this sweep, as in sweep/0\n"
    )


@pytest.mark.parametrize("words", [(), ("a", "b"), ("a", "lr=1")])
def test_anything_but_one_folder_is_refused(call: Call, words: tuple[str, ...]) -> None:
    answer = call("doctor", *words)
    assert answer.code == 2
    assert answer.err == (
        f"optrun: {' '.join(('doctor', *words))} is refused\n"
        "  allowed: optrun doctor FOLDER, and plugins=[my_package] where the run has parts of yours\n"
        "  do this: name one folder, as in outputs/...\n"
    )


def test_rows_that_were_changed_are_not_looked_at(call: Call, tmp_path: Path) -> None:
    call(*SMALL, "epochs=2", "hydra.run.dir=forged")
    path = tmp_path / "forged" / "metrics.csv"
    path.write_text(path.read_text().replace("0.", "1."))
    answer = call("doctor", "forged")
    assert answer.code == 6
    assert "does not hold what was committed" in answer.err
