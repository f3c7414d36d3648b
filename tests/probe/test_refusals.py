"""What a probe cannot be asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.core.errors import ConfigError
from runner.core.theta import Layout, Slot
from runner.probe.base import Probe
from runner.probe.gradient_noise import GradientNoise
from runner.probe.hessian_trace import HessianTrace
from runner.probe.spectrum import Spectrum

LAYOUT = Layout((Slot("weight", (2,), 0, 2),))


@pytest.mark.parametrize(
    ("made", "name", "default"),
    [
        (lambda: GradientNoise(draws=10**12), "draws", 20),
        (lambda: HessianTrace(signs=10**12), "signs", 10),
        (lambda: Spectrum(draws=10**12), "draws", 3),
    ],
)
def test_draws_that_would_never_end_are_refused(made: Callable[[], Probe], name: str, default: int) -> None:
    with pytest.raises(ConfigError) as refused:
        made()
    assert str(refused.value) == (
        f"{name}=1000000000000 is refused\n"
        "  allowed: a whole number in [1, 10000]\n"
        f"  do this: give {name}=... a value in that range; the default is {default}"
    )


def test_noise_of_no_size_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        GradientNoise(sizes=()).check(LAYOUT)
    assert str(refused.value) == (
        "probe.sizes=[] is refused\n"
        "  allowed: at least one size of a mini-batch\n"
        "  do this: give probe.sizes=[1,10,100], say"
    )
