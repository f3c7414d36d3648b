"""Stop rules in whole runs: where they end, what they write, and that an interruption changes nothing."""

from __future__ import annotations

import csv
import json
import signal
import time
from pathlib import Path

import pytest

from runner.screen.plain import Plain
from runner.stop.seconds import Seconds
from tests.cli.conftest import Call

NET = ("architecture.hidden=[8]", "epochs=9", "batch_size=300")  # 1257 examples: 4 batches of 300 and one of 57


def run(call: Call, name: str, *arguments: str) -> int:
    answer = call(*NET, *arguments, f"hydra.run.dir={name}")
    assert answer.err == "" or "optrun:" in answer.err
    return answer.code


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def verdict(folder: Path) -> str:
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "completed"
    return str(summary["verdict"])


def interrupt_after(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the screen send SIGTERM when it has shown this epoch: the run commits after the next step."""
    shown = Plain.row

    def row(self: Plain, row: dict[str, float]) -> None:
        shown(self, row)
        if row["epoch"] == epoch:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Plain, "row", row)


def test_steps_end_an_epoch_in_its_middle_with_a_short_row(call: Call, tmp_path: Path) -> None:
    assert run(call, "a", "stop=steps", "stop.steps=13") == 0
    assert [(row["epoch"], row["step"], row["examples"]) for row in rows(tmp_path / "a")] == [
        ("1", "5", "1257"),
        ("2", "10", "2514"),
        ("3", "13", "3414"),  # 3 batches of 300
    ]
    assert verdict(tmp_path / "a") == "reached the limit of 13 steps"


def test_the_short_row_has_the_means_over_the_steps_that_were_made(call: Call, tmp_path: Path) -> None:
    # A rate of nearly nothing: two steps on 300 examples and one on the same 600 see one network.
    still = ("lr=1e-300", "optimizer=sgd", "sampler=sequential", "precision=float64", "stop=steps")
    assert run(call, "two", *still, "stop.steps=2") == 0
    assert run(call, "one", *still, "stop.steps=1", "batch_size=600") == 0
    (one,), (two,) = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert one["examples"] == two["examples"] == "600"
    for name in ("train_loss", "train_accuracy"):
        assert float(two[name]) == pytest.approx(float(one[name]), rel=1e-12)


def test_steps_at_the_end_of_an_epoch_leave_it_whole_and_epochs_still_hold(call: Call, tmp_path: Path) -> None:
    assert run(call, "a", "stop=steps", "stop.steps=10") == 0
    assert run(call, "b", "stop=steps", "stop.steps=1000") == 0
    assert [row["step"] for row in rows(tmp_path / "a")] == ["5", "10"]
    assert len(rows(tmp_path / "b")) == 9
    assert verdict(tmp_path / "b") == "reached the limit of 9 epochs"


# 11: the commit after the interrupted step is at the very step at which the run is to stop.
@pytest.mark.parametrize("steps", [11, 13, 20])
def test_an_interrupted_run_stops_at_the_same_step_with_the_same_rows(
    steps: int, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = ("stop=steps", f"stop.steps={steps}", "schedule=plateau", "schedule.patience=1", "schedule.threshold=0.5")
    assert run(call, "whole", *rules) == 0
    with monkeypatch.context() as patched:
        interrupt_after(2, patched)
        assert run(call, "cut", *rules) == 143
    assert len(rows(tmp_path / "cut")) == 2
    assert call("resume", "cut").code == 0
    assert (tmp_path / "cut/metrics.csv").read_bytes() == (tmp_path / "whole/metrics.csv").read_bytes()
    assert verdict(tmp_path / "cut") == verdict(tmp_path / "whole")


def test_a_schedule_and_rules_that_read_rows_survive_an_interruption(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = (
        "stop=all_of", "stop.rules.steps.steps=22", "stop.rules.early_stopping.patience=1",
        "stop.rules.early_stopping.monitor=full_grad_norm", "+stop@stop.rules.gradient_norm=gradient_norm",
        "stop.rules.gradient_norm.every=2", "stop.rules.gradient_norm.eps=100",
        "schedule=warmup", "schedule.epochs=0.5", "schedule.then=plateau", "schedule.then.patience=2",
        "schedule.then.threshold=0.9",
    )  # fmt: skip
    assert run(call, "whole", *rules) == 0
    with monkeypatch.context() as patched:
        interrupt_after(3, patched)
        assert run(call, "cut", *rules) == 143
    assert call("resume", "cut").code == 0
    assert (tmp_path / "cut/metrics.csv").read_bytes() == (tmp_path / "whole/metrics.csv").read_bytes()
    rates = [float(row["lr"]) for row in rows(tmp_path / "whole")]
    assert min(rates) < 0.5 * max(rates)  # plateau did act


def test_seconds_count_over_an_interruption(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0

    def monotonic() -> float:
        nonlocal clock
        clock += 0.01
        return clock

    monkeypatch.setattr(time, "monotonic", monotonic)
    rules = ("stop=seconds", "stop.seconds=2", "epochs=1000")
    assert run(call, "whole", *rules) == 0
    with monkeypatch.context() as patched:
        interrupt_after(3, patched)
        assert run(call, "cut", *rules) == 143
    clock += 1000  # the time between two processes is not training
    assert call("resume", "cut").code == 0
    whole, cut = (int(rows(tmp_path / name)[-1]["step"]) for name in ("whole", "cut"))
    assert verdict(tmp_path / "cut") == "reached the limit of 2 seconds of training"
    assert len(rows(tmp_path / "cut")) > 3
    assert 0.8 * whole < cut <= 1.1 * whole  # the clock is asked a few times more at the seam
    same = min(whole, cut) // 5  # whole epochs of both
    assert rows(tmp_path / "cut")[:same] == rows(tmp_path / "whole")[:same]


def test_measuring_the_full_gradient_adds_a_column_and_changes_no_other(call: Call, tmp_path: Path) -> None:
    dropout = ("architecture.dropout=0.5", "epochs=4")
    assert run(call, "with", "stop=gradient_norm", "stop.every=2", "stop.eps=1e-9", *dropout) == 0
    assert run(call, "without", "stop=epochs", *dropout) == 0
    found = rows(tmp_path / "with")
    full = [float(row.pop("full_grad_norm")) for row in found]
    assert [value != value for value in full] == [True, False, True, False]  # NaN is not itself
    assert found == rows(tmp_path / "without")


def test_of_the_full_batch_both_gradients_are_one(call: Call, tmp_path: Path) -> None:
    # After the epoch the full gradient is that of the next step, which grad_norm shows in the next row.
    arguments = ("sampler=full", "stop=gradient_norm", "stop.eps=1e-9", "epochs=3", "precision=float64")
    assert run(call, "a", *arguments) == 0
    full, own = ([float(row[name]) for row in rows(tmp_path / "a")] for name in ("full_grad_norm", "grad_norm"))
    assert full[:-1] == pytest.approx(own[1:], rel=1e-12)


REFUSED = {
    "stop.rules.early_stopping.monitor=val_acc": (
        "stop.rules.early_stopping.monitor=val_acc",
        "a column of this run: epoch, step, examples, lr, train_loss, val_loss, train_accuracy, val_accuracy, "
        "grad_norm, forward, backward, hvp",
        "did you mean val_accuracy? name one of these",
    ),
    "stop.rules.early_stopping.monitor=val_accuracy": (
        "stop.rules.early_stopping.direction=min",
        "max, since a higher val_accuracy is better",
        "give stop.rules.early_stopping.direction=max",
    ),
    "stop=target stop.direction=max": (
        "stop.direction=max",
        "min, since a lower val_loss is better",
        "give stop.direction=min",
    ),
    "stop=seconds stop.seconds=0": (
        "stop.seconds=0",
        "a number in (0, 1e+30]",
        "give stop.seconds=... a value in that range; the default is 60.0",
    ),
    "stop=gradient_norm stop.of=all": (
        "stop.of=all",
        "full | batches",
        "give stop.of=... one of these; the default is full",
    ),
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_a_rule_that_cannot_work_is_refused(arguments: str, call: Call, tmp_path: Path) -> None:
    key, allowed, do = REFUSED[arguments]
    answer = call(*arguments.split())
    assert (answer.code, answer.err) == (2, f"optrun: {key} is refused\n  allowed: {allowed}\n  do this: {do}\n")
    assert not (tmp_path / "outputs").exists()


def test_an_epoch_has_a_step_even_if_the_time_is_up_when_it_begins(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The verdict and the next look at the clock are some microseconds apart; the time may be up in between.
    monkeypatch.setattr(Seconds, "due", lambda self, step, elapsed_s: True)
    monkeypatch.setattr(Seconds, "verdict", lambda self, rows, elapsed_s: "time is up now" if len(rows) == 3 else None)
    assert run(call, "a", "stop=seconds") == 0
    assert [row["step"] for row in rows(tmp_path / "a")] == ["1", "2", "3"]
