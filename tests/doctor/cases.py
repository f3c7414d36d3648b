"""Cases made by hand: a healthy one, of which a test changes what it is about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner.doctor.base import Case, Inside, Last, Measured, Row, Slid, Spread
from tests.lanes.sides import run

CHANCE = 1.0
INSIDE = Inside(
    loss=1.0,
    gradient=0.1,
    first_bad=None,
    units=(128, 128),
    dead=(0.0, 0.0),
    saturated=(0.5, 0.5),
    gates=(True, True),
    backward=(0.1, 0.1, 0.1),
    idle=0.0,
    twins=(0.0, 0.0),
)
LAST = Last(INSIDE, signal=0.1, noise=1.0, sharpness=1.0, slid=Slid(0.2, 0.19, 0.2, 0.2), reach=16.0)
FALL = [1.0, 0.7, 0.5, 0.4, 0.3, 0.25, 0.22, 0.21, 0.205, 0.2, 0.2, 0.2]


def rows(train: list[float], val: list[float] | None = None, rates: list[float] | None = None) -> list[Row]:
    val, rates = val or train, rates or [0.1] * len(train)
    each = enumerate(zip(train, val, rates, strict=True), 1)
    return [
        {"epoch": k, "step": 10 * k, "train_loss": a, "val_loss": b, "val_accuracy": 1 - b / 4, "lr": lr}
        for k, (a, b, lr) in each
    ]


def case(
    *words: str,
    train: list[float] | None = None,
    val: list[float] | None = None,
    rates: list[float] | None = None,
    status: str = "completed",
    first: dict[str, Any] | None = None,
    inside: dict[str, Any] | None = None,
    spread: Spread | None = None,
    neighbours: dict[str, float] | None = None,
    **last: Any,
) -> Case:
    """A run on 106 iris with batches of 60, `optimizer=sgd`, that went well, but for what is given."""
    measured = Measured(
        replace(INSIDE, **(first or {})),
        spread or Spread(1.0, 1.0),
        neighbours if neighbours is not None else {"accuracy": 0.95},
        replace(LAST, **{"inside": replace(INSIDE, **(inside or {}))} | last),
    )
    made = run("optimizer=sgd", "lr=0.1", "epochs=12", *words)
    return Case(made, rows(train or FALL, val, rates), status, 106, 1000, CHANCE, measured)
