"""The optimizers of pytorch_optimizer, by name; skipped where it is not installed (the extra `more`)."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from runner import build
from runner.core.curvature import Curved
from runner.core.errors import ConfigError
from runner.core.theta import adopt
from runner.optimizer.base import Optimizer
from runner.optimizer.torch import Torch
from runner.store.checkpoint import decode, encode
from tests.optimizer.problems import apart, batches, network, trained

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("pytorch_optimizer")


def made(name: str, **arguments: object) -> Torch:
    rule = build.choice("optimizer", {"_target_": f"pytorch_optimizer.{name}", "lr": 0.01} | arguments, Optimizer, ())
    assert isinstance(rule, Torch)
    return rule


def node(path: str, **arguments: object) -> dict[str, object]:
    return {"_target_": path} | arguments


SGD = node("torch.optim.SGD", momentum=0.9)
# One of every kind: how it is given its parameters, what its step wants, and what it remembers.
KINDS: dict[str, dict[str, object]] = {
    **{name: {} for name in ["Lion", "AdaBelief", "Adan", "DAdaptAdam", "Prodigy", "ScheduleFreeAdamW"]},
    **{name: {} for name in ["AdaHessian", "SophiaH"]},  # gradients with a graph, and random numbers
    **{name: {} for name in ["Muon", "NorMuon"]},  # two groups
    "AdamMini": {},  # a module
    **{name: {} for name in ["AggMo", "Kron", "AdaShift", "Magma"]},  # floats as keys, dtypes, queues, tuples as keys
    "AliG": {},  # a closure, called where torch takes no gradients
    "BSAM": {"num_data": 18},  # two closures beside the gradient, and a number that only its user knows
    **{name: {"base_optimizer": SGD} for name in ["SAM", "LookSAM", "WSAM"]},
    **{name: {"optimizer": SGD} for name in ["Lookahead", "OrthoGrad", "ScheduleFreeWrapper"]},
}
each_kind = pytest.mark.parametrize(("name", "arguments"), KINDS.items(), ids=KINDS)


def rates(t: int) -> float:
    return 0.01 / t


# The same operations in the same order; only the addresses of the tensors differ, and with them at most a last bit.
@each_kind
def test_ten_steps_of_theirs_are_those_of_the_class_driven_by_hand(name: str, arguments: dict[str, object]) -> None:
    rule = made(name, **arguments)
    module = network()
    theta, layout = adopt(module)
    state = rule.start(theta, layout)  # for its seed
    module = network()
    way = rule.way()
    live = rule.make(dict(module.named_parameters()), lr=1.0)
    for t, (x, y) in zip(range(1, 11), batches(), strict=False):
        for group in live.param_groups:
            group["lr"] = rates(t) if group.get("use_muon", True) else group["lr"]

        @torch.enable_grad()
        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            loss = functional.cross_entropy(module(x), y)
            parameters = list(module.parameters())
            for p, g in zip(parameters, torch.autograd.grad(loss, parameters, create_graph=way.graph), strict=True):
                p.grad = g
            return loss.detach()

        with way.noise(state["seed"], t, torch.device("cpu")):
            way.drive(live, closure)
    assert apart(trained(rule, rates, 10), adopt(copy.deepcopy(module))[0]) < 1e-12


@each_kind
def test_a_state_of_theirs_goes_on_from_a_checkpoint_bit_for_bit(name: str, arguments: dict[str, object]) -> None:
    rule = made(name, **arguments)
    thetas = []
    for cut in (10, 5):  # at the end, where nothing follows; and in the middle
        theta, layout = adopt(module := network())
        objective = Curved(module, functional.cross_entropy, theta, layout)
        state = rule.start(theta, layout)
        first = theta.clone()
        for t, (x, y) in zip(range(1, 11), batches(), strict=False):
            objective.on(x, y)
            rule.step(theta, state, objective, rates(t), t)
            if t == cut:
                kept = decode(encode({"theta": theta, "memory": rule.saved(state)}))
                theta.copy_(first)
                state = rule.start(theta, layout)
                theta.copy_(kept["theta"])
                state = rule.restored(state, kept["memory"])
        thetas.append(theta)
    assert torch.equal(*thetas)


# Rademacher's vectors have z_i^2 = 1, so on a diagonal Hessian h Hutchinson's z * (H z) is h, without any noise.
def test_adahessian_on_a_diagonal_quadratic_is_its_formula_with_the_exact_curvature() -> None:
    h, minimum = torch.tensor([1.0, 4.0, 9.0]).double(), torch.tensor([0.5, -0.5, 0.25]).double()
    module = Diagonal(h, minimum)
    theta, layout = adopt(module)
    objective = Curved(module, lambda output, y: output.sum(), theta, layout)
    rule = made("AdaHessian", betas=[0.5, 0.75])
    state = rule.start(theta, layout)
    by_hand, m, s = theta.clone(), torch.zeros(3).double(), torch.zeros(3).double()
    for t in range(1, 6):
        objective.on(theta.new_zeros(1), theta.new_zeros(1))
        rule.step(theta, state, objective, 0.1, t)
        m = 0.5 * m + 0.5 * h * (by_hand - minimum)
        s = 0.75 * s + 0.25 * h**2
        by_hand -= 0.1 * (m / (1 - 0.5**t)) / ((s / (1 - 0.75**t)).sqrt() + 1e-16)
    torch.testing.assert_close(theta, by_hand, rtol=1e-14, atol=0)  # a dozen roundings a step
    assert (
        objective.counts.backward == 5
    )  # in examples, of which there is one; its products with the Hessian are its own business


class Diagonal(nn.Module):
    """L = 1/2 sum_i h_i (theta_i - minimum_i)^2, whatever its input."""

    def __init__(self, h: Tensor, minimum: Tensor) -> None:
        super().__init__()
        self.h, self.minimum = h, minimum
        self.theta = nn.Parameter(torch.ones_like(h))

    def forward(self, x: Tensor) -> Tensor:
        return self.h * (self.theta - self.minimum).square() / 2


def test_the_vectors_of_muon_keep_the_rate_of_its_adamw() -> None:
    theta, layout = adopt(module := network())
    objective = Curved(module, functional.cross_entropy, theta, layout)
    rule = made("Muon", adamw_lr=0.25)
    state = rule.start(theta, layout)
    objective.on(*next(batches()))
    rule.step(theta, state, objective, 0.01, 1)
    groups = state["torch"].param_groups
    assert [(group["use_muon"], group["lr"], [p.ndim for p in group["params"]]) for group in groups] == [
        (True, 0.01, [2, 2]),
        (False, 0.25, [1, 1]),
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "do"),
    [
        (
            "SAM",
            {},
            "SAM goes around another optimizer: give +optimizer.base_optimizer._target_=torch.optim.SGD, say",
        ),
        ("TRAC", {}, "TRAC goes around another optimizer: give +optimizer.optimizer._target_=torch.optim.SGD, say"),
        ("BSAM", {}, "give +optimizer.num_data=..., for which BSAM has no default"),
        ("GSAM", {"base_optimizer": SGD}, "give +optimizer.rho_scheduler=..., for which GSAM has no default"),
        ("LOMO", {}, "choose another: a step of it ends in NotImplementedError"),  # it moves in the backward pass
        ("Conda", {}, "choose another: it remembers a GaLoreProjector, which a checkpoint does not hold"),
    ],
)  # fmt: skip
def test_what_one_of_theirs_lacks_is_said_before_training(name: str, arguments: dict[str, object], do: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(name, **arguments)
    assert caught.value.refusal.do == do


def test_an_optimizer_inside_one_of_theirs_is_one_of_torchs() -> None:
    inner = node("runner.optimizer.sgd.SGD")
    with pytest.raises(ConfigError) as caught:
        made("SAM", base_optimizer=inner)
    assert str(caught.value) == (
        "optimizer.base_optimizer=SGD() is refused\n  allowed: an optimizer that is written for torch\n"
        "  do this: give +optimizer.base_optimizer._target_=torch.optim.SGD, say"
    )


def test_one_around_another_is_told_with_it_and_comes_back_from_its_description() -> None:
    rule = made("SAM", base_optimizer=SGD, rho=0.1)
    assert rule.label == "SAM base_optimizer=SGD momentum=0.9 rho=0.1"
    assert rule.rule(0.5) == "as pytorch_optimizer.optimizer.sam.SAM(lr=0.5, base_optimizer=SGD, rho=0.1) does"
    again = build.choice("optimizer", build.described(rule), Optimizer, ())
    assert again == rule
