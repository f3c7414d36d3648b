"""A claim of a lecture, and what would show it: runs, a number that is measured on them, the number that theory gives.

    arms      what is compared, as overrides; every arm trains with every seed
    cases     the circumstances in which the claim is tried, as overrides on top of every arm, or arm by arm
    control   circumstances without the cause that the claim names: there it must not hold, or the experiment shows
              nothing

A file conf/experiment/<deck>/<claim>.yaml has the experiment as a diff of the configuration, and the claim under
`lecture:`. What it says of the outcome is computed from the runs; no verdict is written by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runner.core.check import Choice, Count, Index, Number, checked, hints_of, only_known
from runner.core.errors import ConfigError

OPTIONAL = ("what", "over", "right", "printed", "seeds")
HERE = "here"  # the case of an experiment that names none

Take = Literal["last", "first", "least", "most", "mean", "change", "turn", "rate", "epochs", "all_zero", "diverged"]
Overrides = tuple[str, ...] | dict[str, tuple[str, ...]]  # of all arms, or of each by its name
How = Literal["value", "ratio", "difference", "slope", "spread", "ordered"]


@dataclass(frozen=True)
class Measure(Choice):
    """One number of a run, from a column of its metrics.csv.

    column: its name; {arm} in it is the label of the arm
    per: another column, by which it is divided row by row
    minus: what is subtracted from it, the least value that it can have
    take: last, first, least, most, mean     of the column over the rows looked at
          change    how far the last value is from the one before
          turn      the last value over the one before
          rate      exp of the slope of a straight line through log |column| over the steps: the factor of one step
          epochs    the first epoch with a value of at most `value`; infinite where there is none
          all_zero  1 where every value is exactly 0, else 0
          diverged  1 where the run diverged, else 0; of any column
    value: the target of epochs
    skip: rows at the beginning that are not looked at
    rows: how many are looked at, from there on; all where it is 0
    """

    column: str
    take: Take = "last"
    per: str = ""
    minus: Number = 0.0
    value: Number = 0.0
    skip: Index = 0
    rows: Index = 0


@dataclass(frozen=True)
class Compare(Choice):
    """One number of an experiment, from the numbers of its arms, for each seed.

    how: value       of the arm `of`
         ratio       of / to, as the mean of logarithms
         difference  of - to
         slope       of log(number) over log(label), over all arms, whose labels are numbers
         spread      the largest number of the arms minus the smallest
         ordered     1 where the numbers of the arms, in their order, rise strictly, else 0
    """

    how: How
    of: str = ""
    to: str = ""


@dataclass(frozen=True)
class Claim(Choice):
    """What a lecture says, and what is measured.

    place: deck and section or page
    claim: the sentence
    what: the measured number in a few words, for the figure
    over: what the labels of the arms are, where they are numbers
    right: the statement more exactly, or the right one where the lecture errs; the experiment is about that
    printed: the number that the claim would give as it is printed, where the lecture errs
    predicted: the number that theory gives
    because: how it is derived
    bounds: [low, high]; the claim holds where the measured number lies within, with its interval
    seeds: runs of every arm, which differ in their seed
    """

    place: str
    claim: str
    measure: Measure
    compare: Compare
    predicted: Number
    because: str
    bounds: tuple[Number, Number]
    arms: dict[str, tuple[str, ...]]
    control: dict[str, Overrides]
    cases: dict[str, Overrides]
    what: str = "measured"
    over: str = ""
    right: str = ""
    printed: Number | None = None
    seeds: Count = 1

    def circumstances(self) -> Mapping[str, Overrides]:
        """The cases and the controls by their names, in that order."""
        return {**self.cases, **self.control}


def claim(node: Any) -> Claim:
    """The claim under `lecture:` of a configuration; raises `ConfigError` for the first thing that is wrong."""
    if not isinstance(node, dict):
        raise ConfigError("lecture", node, allowed="a mapping {key: value}", do="see conf/experiment for examples")
    only_known(Claim, node)
    given: dict[str, Any] = {"cases": {HERE: []}} | node
    parts = {"measure": Measure, "compare": Compare}
    for name, cls in parts.items():
        given[name] = part(f"lecture.{name}", given.get(name), cls)
    for name, annotation in hints_of(Claim).items():
        if name not in given and name not in OPTIONAL:
            raise ConfigError(f"lecture.{name}", "", allowed="a value", do="see conf/experiment for examples")
        if name in given and name not in parts:
            given[name] = checked(f"lecture.{name}", given[name], annotation)
    made = Claim(**given)
    refuse_unnamed_arms(made)
    return made


def part(key: str, node: Any, cls: type[Any]) -> Any:
    """A measure or a comparison from its node."""
    if not isinstance(node, dict):
        raise ConfigError(key, node, allowed="a mapping {key: value}", do="see conf/experiment for examples")
    only_known(cls, node)
    return cls(**node)


def refuse_unnamed_arms(claim: Claim) -> None:
    """`ConfigError` for a comparison of arms that are not there, and for a claim without a control."""
    needed = {"value": (claim.compare.of,), "ratio": (claim.compare.of, claim.compare.to)}
    needed["difference"] = needed["ratio"]
    for name in needed.get(claim.compare.how, ()):
        if name not in claim.arms:
            raise ConfigError(
                "lecture.compare", name, allowed=f"arms of the experiment: {', '.join(claim.arms)}", do="name one"
            )
    if not claim.control:
        do = "say what removes the cause, as in control: {without it: [optimizer.mu=0]}"
        raise ConfigError("lecture.control", "{}", allowed="at least one control", do=do)
