"""Words that set the scale of inputs or weights right, for the rules that find it wrong."""

from __future__ import annotations

from runner.architecture.convnet import ConvNet
from runner.architecture.mlp import MLP
from runner.architecture.normalization.none import NoNormalization
from runner.doctor.base import Case, times_rate
from runner.init.kaiming_normal import KaimingNormal
from runner.init.xavier_normal import XavierNormal

# Mean square of an input column. Initializations are made for 1 (Sun p. 39); raw pixels from 0 to 16 have up to 140,
# and train; columns in the hundreds do not with any rate that suits the others.
INPUTS = 1000.0
LOWER = 0.1  # as for a rate that is too high


def rescaled() -> tuple[str, ...]:
    """Inputs of mean 0 and deviation 1."""
    return ("preprocess=standardize",)


def scaled_init(case: Case) -> tuple[str, ...]:
    """Weights that keep the scale from layer to layer; where they do, layers that are normalized; else a lower rate."""
    if case.run.init in (KaimingNormal(), XavierNormal()):
        match case.run.architecture:
            case MLP(normalization=NoNormalization()) | ConvNet(normalization=NoNormalization()):
                return ("architecture/normalization=layer",)
            case _:
                return (times_rate(case, LOWER),)
    gates = case.measured is None or all(case.measured.first.gates)
    return ("init=kaiming_normal",) if gates else ("init=xavier_normal",)
