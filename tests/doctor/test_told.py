"""What is said: in full from a folder, in two lines at most at the end of a run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from runner.checkup import report
from runner.doctor.base import Slid
from runner.doctor.told import short, told
from tests.doctor.cases import CHANCE, FALL, case
from tests.doctor.trained import trained

GIVEN = "optrun lr=0.1 init=constant init.value=0.3 hydra.run.dir=a expect.val_accuracy=0.9"


def test_findings_are_numbered_and_each_comes_with_a_command() -> None:
    both = case(
        "init=constant",
        first={"twins": (1.0, 1.0)},
        inside={"twins": (1.0, 1.0)},
        train=[1.0, 200.0, *[0.8] * 10],
        slid=Slid(0.8, 0.8, 0.8, 0.8),
        neighbours={},
    )
    assert list(told(both, GIVEN)) == [
        "1. symmetric units",
        "   seen:   100% of the units of layer 1 have the weights of another one (100% at the start)",
        '   source: Grosse, CSC321 lecture 8: "don\'t initialize all your weights to zero"; Sun p. 38',
        "   try:    optrun lr=0.1 init=kaiming_normal",
        "2. rate much too high (instability)",
        "   seen:   the loss rose to 200, from 1 at the start; lr 0.1",
        '   source: Grosse, CSC321 lecture 8: "much too large: instability"',
        "   try:    optrun init=constant init.value=0.3 lr=0.01",
    ]


def test_what_could_not_be_looked_at_is_said() -> None:
    blind = replace(case(first={"backward": ()}, train=FALL[:3]), chance=float("nan"))
    assert blind.measured is not None
    blind = replace(blind, measured=replace(blind.measured, last=None))
    assert list(told(blind, GIVEN)) == [
        "nothing wrong seen; that is no proof: curves can reveal problems, they cannot guarantee convergence",
        "not known: how the curves go, of which there are 3 epochs; 4 or more would tell",
        "not known: what the last parameters look like: there is no commit at which the network is finite",
        "not known: how gradients change from layer to layer, where the layers are no affine maps: probe=layers tells",
        "not known: how far the loss could fall: what a constant answer loses is not known for loss=cross_entropy",
    ]


def test_the_short_form_tells_the_first_finding_in_two_lines() -> None:
    bare = replace(case(train=[1.0, 200.0, *[0.8] * 10]), measured=None)
    assert list(short(bare, GIVEN, "outputs/a")) == [
        "rate much too high (instability): the loss rose to 200, from 1 at the start; lr 0.1",
        "try optrun init=constant init.value=0.3 lr=0.01; optrun doctor outputs/a looks closer",
    ]


def test_the_short_form_sends_a_run_that_learned_nothing_to_the_doctor() -> None:
    bare = replace(case(train=[0.95 * CHANCE] * 12), measured=None)
    assert list(short(bare, GIVEN, "outputs/a")) == [
        "the validation loss came to 0.95 at best, where a constant answer has 1; optrun doctor outputs/a looks "
        "for the cause"
    ]
    assert list(short(replace(bare, rows=bare.rows[:3]), GIVEN, "outputs/a")) == []


def test_the_short_form_is_silent_for_a_healthy_run() -> None:
    assert list(short(replace(case(), measured=None), GIVEN, "outputs/a")) == []


def test_the_readme_shows_what_is_printed(tmp_path: Path) -> None:
    """On this machine, to the digit: the numbers are of float32, which another one may round differently."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    (words,) = re.findall(r"^`optrun (dataset=wine .*) hydra.run.dir=outputs/wine`", text, re.MULTILINE)
    (shown,) = re.findall(r"^\$ optrun doctor outputs/wine\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    trained(tuple(words.split()), tmp_path / "wine")
    assert list(report(tmp_path / "wine", ())) == shown.splitlines()


def test_a_rule_of_unknown_stability_is_not_called_too_fast_for_a_slow_swing() -> None:
    slow = case("optimizer=adam", "sampler=full", train=[1.0, 0.4, 0.2, 0.4, 0.6, 0.7, 0.6, 0.4, 0.2, 0.3, 0.4, 0.5])
    assert list(told(slow, GIVEN))[1:] == [
        "not known: whether the loss swings by the rate or, so slowly, by momentum: a third of the rate would tell"
    ]
