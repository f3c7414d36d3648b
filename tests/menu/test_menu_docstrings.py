"""The docstring of every choice has the parts that `optrun list` shows."""

from __future__ import annotations

import re

import pytest

from runner import menu
from runner.menu import docstring, source
from runner.menu.catalogue import RUNNER

ENTRIES = [entry for room in menu.rooms() for entry in room.choices]
each_choice = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.target)

WHOLE = """Step along
the mean.

    m <- g
    x <- x - lr m

m starts at 0
and is kept.

    a table   in the prose

beta1, beta2: shares that are
    kept
eps: keeps the quotient
finite

>>> 1 + 1
2

Source: Sun p. 30, equation
(2).
Here: without
divisors.
"""


def test_a_docstring_is_taken_apart_into_its_parts() -> None:
    assert docstring.parsed(WHOLE.strip()) == docstring.Doc(
        sentence="Step along the mean.",
        formula="m <- g\nx <- x - lr m",
        prose=("m starts at 0 and is kept.", "    a table   in the prose"),
        meanings=(
            ("beta1", "shares that are kept"),
            ("beta2", "shares that are kept"),
            ("eps", "keeps the quotient finite"),
        ),
        example=">>> 1 + 1\n2",
        source="Sun p. 30, equation (2).",
        here="without divisors.",
    )


def test_no_docstring_has_no_parts() -> None:
    assert docstring.parsed("") == docstring.Doc()


def test_a_paragraph_with_a_capital_before_the_colon_is_prose() -> None:
    assert docstring.parsed("A.\n\nMetric: accuracy.").prose == ("Metric: accuracy.",)


@each_choice
def test_a_choice_has_one_short_sentence(entry: menu.Entry) -> None:
    path = RUNNER / entry.room / f"{entry.name}.py"
    found = source.choice(path)
    assert found is not None
    first = found.docstrings[-1].split("\n\n")[0]
    assert "\n" not in first, "the sentence goes over more than one line"
    assert first.endswith(".")
    assert not re.search(r"\.\s", first), "more than one sentence"
    assert len(first) < 100


@each_choice
def test_a_choice_has_a_formula(entry: menu.Entry) -> None:
    assert entry.formula


@each_choice
def test_every_argument_has_its_meaning(entry: menu.Entry) -> None:
    assert [one.name for one in entry.arguments if not one.meaning] == []


@each_choice
def test_every_line_that_explains_an_argument_has_one(entry: menu.Entry) -> None:
    found = source.choice(RUNNER / entry.room / f"{entry.name}.py")
    assert found is not None
    explained = {name for text in found.docstrings for name, _ in docstring.parsed(text).meanings}
    assert explained - set(found.fields) == set()


@each_choice
def test_a_formula_fits_on_a_slide(entry: menu.Entry) -> None:
    assert max(len(line) for line in entry.formula.splitlines()) <= 110
