"""Levenberg-Marquardt against the certified values of NIST's nonlinear regression problems."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from runner.core.curvature import Curved
from runner.core.theta import adopt
from runner.optimizer.levenberg_marquardt import LevenbergMarquardt
from tests.optimizer.nist import PROBLEMS, Model, numbers

# From the farther starting point these two go to other stationary points: BoxBOD to b2 = infinity, Eckerle4 to a bell
# so wide that its data are straight.
NEAR_ONLY = {"BoxBOD", "Eckerle4"}
CASES = [(name, start) for name in PROBLEMS for start in (0, 1) if start or name not in NEAR_ONLY]


class Regression(nn.Module):
    """A model as a network whose parameters are b."""

    def __init__(self, model: Model, b: list[float]) -> None:
        super().__init__()
        self.model, self.b = model, nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(self.b, x)


@pytest.mark.parametrize(("name", "start"), CASES)
def test_eight_certified_digits_are_reached(name: str, start: int) -> None:
    problem = PROBLEMS[name]
    theta, layout = adopt(module := Regression(problem.model, numbers(problem.starts[start])))
    asked = Curved(module, lambda z, y: (z - y).square().mean(), theta, layout)
    x, y = (torch.tensor(numbers(printed), dtype=torch.float64) for printed in (problem.x, problem.y))
    asked.on(x, y)
    rule = LevenbergMarquardt(solver="cholesky")
    state = rule.start(theta, layout)
    for t in range(1, 151):  # MGH09 from afar takes 124, the others less than 100
        rule.step(theta, state, asked, 1.0, t)
    # NIST prints eleven digits; eight are asked for.
    torch.testing.assert_close(theta.tolist(), numbers(problem.certified), rtol=1e-8, atol=0)
    assert asked.value(theta) * len(y) == pytest.approx(problem.squares, rel=1e-8)
