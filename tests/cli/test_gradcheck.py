"""`optrun gradcheck` compares the gradient of a run with finite differences, without training."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner import menu
from runner.gradcheck import Slope, verdict
from tests.cli.conftest import Call

SMALL = ("architecture.hidden=[5]", "batch_size=20")
# Its bias is used twice, and its gradient is taken of one use only.
HALF = """
from dataclasses import dataclass

import torch
from torch import nn

from runner.architecture.base import Architecture


class Half(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return g


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.map = nn.Linear(inputs, outputs)

    def forward(self, x):
        return x @ self.map.weight.T + Half.apply(self.map.bias)


@dataclass(frozen=True)
class Wrong(Architecture):
    def build(self, inputs, outputs):
        return Net(inputs[0], outputs)
"""


def test_a_gradient_that_is_the_slope_is_said_to_be_tensor_by_tensor(call: Call, tmp_path: Path) -> None:
    answer = call("gradcheck", *SMALL, "dataset=iris", "architecture.activation=tanh")
    assert (answer.code, answer.err) == (0, "")
    assert re.sub(r" +\d\.\de-\d\d", " ERROR", re.sub(r"value [\d.]+", "value V", answer.out)) == (
        "gradient:   mlp 5 activation=tanh · cross_entropy · 20 examples · value V\n"
        "            tensor           shape                error  verdict\n"
        "            layers.0.weight  5x4 ERROR  agrees\n"
        "            layers.0.bias    5 ERROR  agrees\n"
        "            layers.1.weight  3x5 ERROR  agrees\n"
        "            layers.1.bias    3 ERROR  agrees\n"
        "so:         the gradient is the slope of the objective in all 4 tensors\n"
    )
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind


def test_a_wrong_derivative_is_found_in_its_tensor_and_no_other(call: Call, tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(HALF)
    answer = call(
        "gradcheck",
        "architecture=linear",
        "architecture._target_=half.Wrong",
        "plugins=[half]",
        "dataset=iris",
        "init=normal",
    )
    assert answer.code == 8
    assert answer.err == (
        "optrun: the gradient is not the slope of the objective in map.bias: "
        "some derivative is wrong, or stands in for another on purpose\n"
    )
    lines = {line.split()[0]: line for line in answer.out.splitlines()}
    assert lines["map.weight"].endswith("agrees")
    found = re.search(r"WRONG: (\S+) along (.*), where the slope is (\S+)$", lines["map.bias"])
    assert found is not None
    assert float(found[3]) == pytest.approx(2 * float(found[1]), rel=1e-4)  # six digits are printed


def test_a_straight_through_gradient_is_no_slope_and_the_true_one_of_a_threshold_is(call: Call) -> None:
    sign = ("architecture/activation=sign", *SMALL, "dataset=iris")
    assert call("gradcheck", *sign).code == 0
    answer = call("gradcheck", *sign, "architecture.activation.surrogate=straight_through")
    assert answer.code == 8
    assert "in layers.0.weight, layers.0.bias: some" in answer.err
    assert len(re.findall(r"WRONG: \S+ along .*, where the slope is 0$", answer.out, re.MULTILINE)) == 2


def told(number: float) -> Slope:
    """What a gradient says at the kink of a function with the slopes 0 and 1 on its two sides."""
    return Slope("element 7", number, found=0.5, behind=0.0, ahead=1.0, noise=1e-9)


def test_at_a_kink_any_number_between_the_two_slopes_is_a_gradient() -> None:
    assert [told(number).right for number in (-0.1, 0.0, 0.3, 1.0, 1.1)] == [False, True, True, True, False]
    assert verdict(told(0.0)) == "at a kink: 0 is between the slopes 0 and 1"
    assert verdict(told(1.1)) == "WRONG: 1.1 along element 7, where the slope is 0.5"
    assert verdict(told(0.5)) == "agrees"


def test_where_a_function_is_smooth_a_gradient_is_one_number() -> None:
    # 1e-9 is what rounding may do to a slope; the slopes on both sides differ by as much
    smooth = Slope("element 7", 1.0001, found=1.0, behind=1.0 - 1e-9, ahead=1.0 + 1e-9, noise=1e-9)
    assert not smooth.right
    assert smooth.error == pytest.approx(1e-4, rel=1e-3)


@pytest.mark.parametrize("room", ["architecture", "architecture/activation", "regularizer", "problem"])
def test_the_gradient_of_every_choice_is_its_slope(room: str, call: Call) -> None:
    names = [path.stem for path in sorted((menu.conf_dir() / room).glob("*.yaml"))]
    assert names
    for name in names:
        company = ["problem=bowl"] if name == "point" else []
        answer = call("gradcheck", *company, f"{room}={name}", "batch_size=4")
        assert answer.code == 0, (name, answer.out, answer.err)


def test_several_runs_are_refused(call: Call) -> None:
    answer = call("gradcheck", "-m", "lr=0.1,0.2")
    assert (answer.code, answer.err) == (
        2,
        "optrun: optrun gradcheck -m is refused\n  allowed: one run\n  do this: leave out -m\n",
    )
