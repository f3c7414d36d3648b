"""The order in which what is seen is told: a cause before its consequences, what is certain before what is likely.

What is wrong before the first step (numbers, symmetry, inputs, weights) spoils every rate; a loss that grew or that is
flat, or swings, says nothing of the finer signs; a rate that was taken away, or is too low, or a run cut short, looks
like a level that it is not; of the levels, those that a rate explains come before those that the network does.
"""

from __future__ import annotations

from runner.doctor.base import Case, Finding, Rule
from runner.doctor.dead import Dead
from runner.doctor.decayed_early import DecayedEarly
from runner.doctor.exploding import Exploding
from runner.doctor.flattening import Flattening
from runner.doctor.noise_floor import NoiseFloor
from runner.doctor.non_finite import NonFinite
from runner.doctor.oscillating import Oscillating
from runner.doctor.overfitting import Overfitting
from runner.doctor.plateau import Plateau
from runner.doctor.ravine import Ravine
from runner.doctor.stopped_early import StoppedEarly
from runner.doctor.symmetric import Symmetric
from runner.doctor.too_low import TooLow
from runner.doctor.underfitting import Underfitting
from runner.doctor.unstable import Unstable
from runner.doctor.vanishing import Vanishing

RULES: tuple[Rule, ...] = (
    *(NonFinite(), Symmetric(), Ravine(), Dead(), Exploding(), Vanishing()),
    *(Unstable(), Plateau(), Oscillating(), DecayedEarly(), TooLow(), StoppedEarly()),
    *(Overfitting(), Flattening(), NoiseFloor(), Underfitting()),
)


def findings(case: Case) -> list[Finding]:
    """What the rules see, the most telling first."""
    return [found for rule in RULES if (found := rule.look(case)) is not None]
