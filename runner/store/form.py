"""The form of what is read back: its hash says that nothing was changed since, not that an optrun wrote it.

A form is a type, or several; `[form]`, a list of such; `{key: form}`, a mapping with at least these keys; `Each(form)`,
a mapping of such by any names; `Maybe(form)`, such a value, null or nothing at all; `Later(form)`, such or nothing.

>>> wrong({"epochs": 3, "best": {"loss": "low"}}, {"epochs": int, "best": Each(NUMBER), "verdict": Maybe(str)})
'best.loss is "low"'
>>> wrong({}, {"epochs": int})
'epochs is missing'
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.core.errors import CorruptError

NUMBER = (int, float)
LONG = 40  # characters of a value that are repeated


@dataclass(frozen=True)
class Each:
    """A mapping, all of whose values have this form."""

    form: Any


@dataclass(frozen=True)
class Maybe:
    """This form, null, or no such key."""

    form: Any


@dataclass(frozen=True)
class Later:
    """This form, or no such key: what earlier versions did not write, or what is written in the end."""

    form: Any


MISSING = object()


def wrong(value: Any, form: Any, place: str = "") -> str:
    """The first place in a value that has another form; nothing where all have theirs."""
    match form:
        case Maybe():
            return "" if value is None or value is MISSING else wrong(value, form.form, place)
        case Later():
            return "" if value is MISSING else wrong(value, form.form, place)
        case Each() if type(value) is dict:
            return _first((each, form.form, f"{place}.{key}") for key, each in value.items())
        case dict() if type(value) is dict:
            return _first((value.get(key, MISSING), each, f"{place}.{key}") for key, each in form.items())
        case list() if type(value) is list:
            return _first((each, form[0], f"{place}[{at}]") for at, each in enumerate(value))
        case type() | tuple() if type(value) in (form if isinstance(form, tuple) else (form,)):
            return ""
    place = place.lstrip(".")
    return f"{place} is missing" if value is MISSING else f"{place} is {_spelled(value)}"


def _first(parts: Any) -> str:
    return next(filter(None, (wrong(*part) for part in parts)), "")


def _spelled(value: Any) -> str:
    text = json.dumps(value, default=lambda each: type(each).__name__)
    return text if len(text) <= LONG else f"{text[:LONG]}..."


def refuse_other_form(path: Path, value: Any, form: Any) -> None:
    """`CorruptError` where what was read from `path` has another form."""
    if told := wrong(value, form):
        raise CorruptError(f"{path} does not hold what optrun writes there: {told}")
