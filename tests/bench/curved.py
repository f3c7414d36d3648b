"""What curvature costs: a step of K-FAC against one of Adam, a product with the Hessian against a gradient.

Steps alone, on one thread, with batches of 100 digits and two hidden layers of 256. K-FAC has its simple damping, new
factors every 10 steps and new inverses every 100, as its public programs for large networks have.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from runner.optimizer.adam import Adam
from runner.optimizer.base import Optimizer
from runner.optimizer.kfac import KFAC
from runner.optimizer.newton_cg import NewtonCG
from runner.run import prepare
from runner.train import batches
from tests.bench.step import Contest
from tests.bench.turns import Comparison, in_turns

HIDDEN = (256, 256)
STEPS = 200  # in one turn: two inversions
PRODUCTS = 50
KFAC_OVER_ADAM, PRODUCT_OVER_GRADIENT = 3.0, 2.5  # what is promised


class Prepared:
    """A run whose batches lie ready."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.run = Contest(HIDDEN, optimizer, 1e-3, (), epochs=1).run
        self.m = prepare(self.run)
        self.start = self.m.theta.clone()
        self.ready = list(batches(self.run, self.m.train, 1, 0))
        self.m.objective.on(*self.ready[0])

    def steps(self) -> float:
        """Seconds a step, from the first one on."""
        self.m.theta.copy_(self.start)
        memory = self.run.optimizer.start(self.m.theta, self.m.layout)
        begun = time.perf_counter()
        for t in range(1, STEPS + 1):
            self.m.objective.on(*self.ready[t % len(self.ready)])
            self.run.optimizer.step(self.m.theta, memory, self.m.objective, self.run.lr, t)
        return (time.perf_counter() - begun) / STEPS

    def gradients(self) -> float:
        """Seconds a gradient."""
        begun = time.perf_counter()
        for _ in range(PRODUCTS):
            self.m.objective.value_and_grad(self.m.theta)
        return (time.perf_counter() - begun) / PRODUCTS

    def products(self) -> float:
        """Seconds a product with the Hessian at one point, of which a gradient is the preparation."""
        product = self.m.objective.hessian(self.m.theta)
        v = torch.randn_like(self.m.theta)
        begun = time.perf_counter()
        for _ in range(PRODUCTS):
            product(v)
        return (time.perf_counter() - begun) / PRODUCTS


def comparisons(seconds: float) -> Iterator[Comparison]:
    """Both, in about so many seconds."""
    kfac, adam = Prepared(KFAC(factor_every=10, inverse_every=100)), Prepared(Adam())
    times = in_turns({"kfac": kfac.steps, "adam": adam.steps}, seconds / 2)
    yield Comparison("64-256-256-10, KFAC(10, 100) : Adam, a step", times["kfac"], times["adam"], KFAC_OVER_ADAM)
    newton = Prepared(NewtonCG())
    times = in_turns({"product": newton.products, "gradient": newton.gradients}, seconds / 2)
    what = "64-256-256-10, Hessian-vector product : gradient"
    yield Comparison(what, times["product"], times["gradient"], PRODUCT_OVER_GRADIENT)
