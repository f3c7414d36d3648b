"""What one cell of a table of text says: a number, or a class, or neither, and then what to do about it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

NUMBER = "one finite number in decimal notation, such as 12, -0.5 or 1e-3"
MISSING = ("", "na", "n/a", "nan", "nil", "none", "null", "?", "-", ".")
# float() alone would also take 1_000, nan, infinity and the digits of every other script
DECIMAL = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,99}")


class NotTaken(Exception):
    """A cell that cannot be a number, or a class: what would be allowed and what to do."""

    def __init__(self, do: str, allowed: str = NUMBER) -> None:
        self.do, self.allowed = do, allowed


def number(text: str) -> float:
    """The float64 that a cell spells.

    >>> number(" 1e-3"), number("-.5")
    (0.001, -0.5)
    """
    if not DECIMAL.fullmatch(text):
        raise NotTaken(advice(text.strip().lower()))
    value = float(text)
    if math.isinf(value) or (value == 0 and re.match("[^eE]*[1-9]", text)):
        raise NotTaken("use another unit: float64 ends at 1.8e308 and 4.9e-324")
    digits = text.strip().lstrip("+-0")
    if abs(value) >= 2**53 and digits.isdigit() and int(digits) != int(abs(value)):
        raise NotTaken(f"remove the column if it is an identifier; float64 would make it {int(value)}")
    return value


def advice(text: str) -> str:
    """What to do about a cell that is no number."""
    if text in MISSING:
        return "fill the cell in or remove the row: a missing value is not made up"
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", text):
        return "write the number with a decimal point and without commas"
    if re.fullmatch(r"[0-9][0-9_]+", text):
        return "write the number without underscores"
    return "correct the cell, or write the column as numbers, or remove it"


def is_number(text: str) -> bool:
    """Whether a cell is written as a number."""
    return DECIMAL.fullmatch(text) is not None


def label(text: str) -> str:
    """The class that a cell names, as it is."""
    if not text.strip():
        raise NotTaken("fill the cell in or remove the row", allowed="a class in every row")
    return text


def in_order(classes: Iterable[str]) -> list[str]:
    """Classes in the order of their numbers.

    >>> in_order(["10", "9", "-1"]), in_order(["10", "9", "007"])
    (['-1', '9', '10'], ['007', '10', '9'])
    """
    texts = list(classes)
    return sorted(texts, key=int) if all(INTEGER.fullmatch(text.strip()) for text in texts) else sorted(texts)
