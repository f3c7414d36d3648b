"""Every method, formula and warning of the lectures has a test, or a written reason why it has none.

`catalogue.csv` has a row for each pair (id, test), (id, experiment of the lectures), or (id, reason: ...). The ids are
those of the project's catalogue of the four decks: E errors of the decks, A losses and outputs, B activations, C data,
D sampling, L learning rates, M momentum, G adaptive methods, I initialization, N normalization, T stopping and
diagnosis.
"""

from __future__ import annotations

import ast
import csv
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LAST = {"E": 18, "A": 12, "B": 7, "C": 7, "D-": 10, "L": 14, "M": 12, "G": 12, "I": 12, "N": 5, "T": 6}
IDS = [f"{letter}{number}" for letter, last in LAST.items() for number in range(1, last + 1)]

with open(Path(__file__).with_name("catalogue.csv"), newline="") as file:
    ROWS = [(row["id"], row["test"]) for row in csv.DictReader(file)]


@cache
def functions(path: str) -> set[str]:
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("number", IDS)
def test_what_the_lectures_say_has_a_test_or_a_reason(number: str) -> None:
    assert [test for name, test in ROWS if name == number]


@pytest.mark.parametrize(("number", "test"), ROWS)
def test_a_row_names_a_test_or_an_experiment_that_exists_or_gives_a_reason(number: str, test: str) -> None:
    assert number in IDS
    if test.startswith("reason: "):
        assert len(test.split()) >= 5
        return
    if test.startswith("conf/experiment/"):
        assert "\nlecture:\n" in (REPOSITORY / test).read_text(encoding="utf-8")
        return
    path, _, name = test.partition("::")
    assert name in functions(path)


def test_no_row_stands_twice() -> None:
    assert len(ROWS) == len(set(ROWS))
