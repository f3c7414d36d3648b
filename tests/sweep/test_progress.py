"""What is said of the runs of a sweep while they end."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from runner.screen.base import LISTED
from runner.screen.live import Terminal
from runner.screen.plain import STANDINGS, Plain
from runner.sweep import progress
from runner.sweep.base import Job, Row
from runner.sweep.progress import ERRORS, Progress


def row(number: int, status: str = "completed", verdict: str = "", loss: float | None = None) -> Row:
    job = Job(number, str(number), (f"seed={number}",), {})
    return Row(job, {"seed": str(number)}, status, verdict, 2, 1, {"best_val_loss": loss})


def said(total: int, rows: list[Row]) -> list[str]:
    """The lines that a pipe gets for these rows."""
    out = io.StringIO()
    screen = Plain(out)
    shown = Progress(screen, total)
    with screen.sweeping():
        for each in rows:
            shown.ended(each)
    shown.summed_up()
    return out.getvalue().splitlines()


def test_every_run_of_a_small_sweep_has_a_line() -> None:
    assert said(3, [row(1, loss=0.5), row(0, "diverged", "it became nan"), row(2, "refused", "x")]) == [
        "[1/3] seed=1: best val_loss 0.5 in epoch 1, 2 epochs",
        "[2/3] seed=0: DIVERGED: it became nan",
        "[3/3] seed=2: REFUSED: x",
    ]
    assert len(said(LISTED, [row(i, loss=1.0) for i in range(LISTED)])) == LISTED


@pytest.mark.parametrize("total", [LISTED + 1, 99, 1000, 12345])
def test_a_large_sweep_has_about_forty_lines(total: int) -> None:
    lines = said(total, [row(i, loss=1.0) for i in range(total)])
    assert STANDINGS / 2 <= len(lines) <= 50
    assert lines[0] == f"[1/{total}] best val_loss 1 (seed=0)"


def test_where_a_sweep_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = Progress(Plain(io.StringIO()), 100)
    assert shown.text() == ""
    shown.running = 2
    shown.before(row(0, loss=3.0))
    shown.ended(row(1, loss=0.5))
    shown.ended(row(2, loss=0.7))
    assert shown.text() == "2 running, best val_loss 0.5 (seed=1)"  # too early to tell the time left
    now[0] += 4.0
    assert shown.text() == "2 running, 194 s left, best val_loss 0.5 (seed=1)".replace("194 s", "3 min")
    for number in range(3, 53):
        shown.ended(row(number, "diverged", "nan"))
    shown.ended(row(53, "failed", "oh"))
    assert shown.text() == "2 running, 50 diverged, 1 failed, 3 s left, best val_loss 0.5 (seed=1)"


def test_runs_with_the_same_error_are_named_once_and_counted() -> None:
    rows = [row(i, "refused", "lr=nan is refused") for i in range(30)] + [row(30, "failed", "other")]
    lines = [line for line in said(100, rows) if "REFUSED" in line or "FAILED" in line]
    assert lines == [
        "[1/100] seed=0: REFUSED: lr=nan is refused",
        "[31/100] seed=30: FAILED: other",
        "30 runs REFUSED: lr=nan is refused",
    ]


def test_of_very_many_different_errors_the_first_are_named() -> None:
    lines = said(1000, [row(i, "failed", f"error {i}") for i in range(1000)])
    assert sum("FAILED" in line for line in lines) == ERRORS
    assert lines[-1] == f"{1000 - ERRORS} more kinds of errors; sweep.csv names all of them"


def test_a_terminal_shows_a_large_sweep_in_one_line_that_is_taken_away() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=20, legacy_windows=False)
    screen = Terminal(console)
    shown = Progress(screen, 1000)
    with screen.sweeping():
        for number in range(1000):
            screen._drawn = 0.0  # as if time had passed
            shown.ended(row(number, loss=1.0 + number))
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1000/1000  best val_loss 1 (seed=0)" in output
    assert output.count("\n") < 10
    assert output.endswith("\x1b[2K")  # the line is taken away
