"""`optrun lr_range` from the shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call

SMALL = ("dataset=iris", "architecture.hidden=[8]", "optimizer=sgd")


def test_it_prints_a_curve_and_two_suggestions_and_leaves_no_run(call: Call, tmp_path: Path) -> None:
    answer = call("lr_range", *SMALL, "low=1e-4", "steps=60", "hydra.run.dir=seen")
    assert answer.code == 0, answer.err
    words = [line.partition(":")[0] for line in answer.out.splitlines()]
    assert words == ["lr range", "loss", "suggests", "others say", "next", "numbers", "picture", "picture"]
    assert "lr 0.0001 to " in answer.out
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {"lr_range.csv", "lr_range.png", "lr_range.svg"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("-m",), "optrun: optrun lr_range -m is refused\n  allowed: one run\n  do this: leave out -m\n"),
        (
            ("steps=3",),
            "optrun: steps=3 is refused\n  allowed: a whole number in [20, 100000]\n"
            "  do this: give steps=... a value in that range; the default is 200\n",
        ),
        (
            ("low=0",),
            "optrun: low=0 is refused\n  allowed: a number in (0, 1e+30]\n"
            "  do this: give low=... a value in that range; the default is 1e-06\n",
        ),
        (
            ("low=1", "high=0.5"),
            "optrun: low=1.0 is refused\n  allowed: a rate below high=0.5\n  do this: give low=1e-6 high=10, say\n",
        ),
    ],
)
def test_what_makes_no_range_is_refused(given: tuple[str, ...], message: str, call: Call) -> None:
    answer = call("lr_range", *SMALL, *given)
    assert (answer.code, answer.err) == (2, message)
