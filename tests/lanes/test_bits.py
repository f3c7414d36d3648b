"""Who is beside a run changes no bit of it, also where a neighbour diverges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from runner.core.check import Choice
from runner.core.rows import Rows
from runner.init.normal import Normal
from runner.init.zeros import Zeros
from runner.loss.cross_entropy import CrossEntropy
from runner.regularizer.l2 import L2
from runner.run import Run, Shared, prepare
from tests.lanes.sides import Left, alone, apart, composed, farthest, numbered, rates, run, same, seeds, together

DIGITS = ("dataset=digits", "batch_size=500", "architecture.hidden=[32,32]", "epochs=2", "stop=epochs")
EXACT = ("architecture/normalization=batch", "architecture.normalization.evaluation=exact")
NETWORKS = {
    "mlp": (),
    "batch norm": ("architecture/normalization=batch",),
    "dropout": ("architecture.dropout=0.3",),
    "exact batch norm, dropout, two gradients": (*EXACT, "architecture.dropout=0.3", "optimizer=sam", "epochs=1"),
    "convnet": ("architecture=convnet", "architecture.channels=[4,8]", "architecture.hidden=[32]", "epochs=1"),
    # Rows that fill no vector register begin anywhere in memory, and end where kernels take other paths.
    "narrow batch norm": ("architecture/normalization=batch", "architecture.hidden=[7,5]"),
    "narrow batch norm, dropout": (
        *("architecture/normalization=batch", "architecture.hidden=[13,3]"),
        *("architecture/activation=gelu", "architecture.dropout=0.3"),
    ),
    "narrow convnet": (
        *("architecture=convnet", "architecture.channels=[3,5]", "architecture.hidden=[7]", "epochs=1"),
        *("architecture/activation=elu", "architecture/normalization=batch"),
    ),
}
ACTIVATIONS = ["relu", "tanh", "sigmoid", "gelu", "elu", "leaky_relu", "maxout"]
each_precision = pytest.mark.parametrize("precision", ["float64", "float32"])


@each_precision
@pytest.mark.parametrize("network", NETWORKS)
def test_neighbours_change_no_bit(network: str, precision: str, tmp_path: Path) -> None:
    company = rates(composed(*DIGITS, *NETWORKS[network], f"precision={precision}"), 1.0, 0.5, 0.3, 0.7)
    everyone = together(company, numbered(tmp_path / "everyone", 4))
    for number, chosen in enumerate(([2], [3, 0], [1, 2, 0])):
        found = together([company[k] for k in chosen], numbered(tmp_path / str(number), len(chosen)))
        assert [same(each, everyone[k]) for k, each in zip(chosen, found, strict=True)] == [True] * len(chosen)


@each_precision
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_neighbours_change_no_bit_of_a_gradient_whatever_the_widths(activation: str, precision: str) -> None:
    # 1 to 33 units; the numbers of a batch of 7 or 57 examples end in the middle of a register
    for width in range(1, 34, 2):
        layers = f"architecture.hidden=[{width},{34 - width}]"
        one = composed("dataset=digits", layers, f"architecture/activation={activation}", f"precision={precision}")
        company = seeds(one, {}, {}, {}, {})
        everyone = gradients(company, (7, 57))
        for chosen in ([2], [3, 0], [1, 2, 0]):
            found = gradients([company[k] for k in chosen], (7, 57), chosen)
            assert all(torch.equal(ours, all_[chosen]) for ours, all_ in zip(found, everyone, strict=True)), width


EXAMPLES = Shared()


def gradients(company: list[Run], sizes: tuple[int, ...], numbers: list[int] | None = None) -> list[Tensor]:
    """The losses and gradients of runs side by side at their first weights, on batches of these sizes."""
    ms = [prepare(each, EXAMPLES) for each in company]
    rows, theta = Rows([m.objective for m in ms], [each.loss for each in company]), torch.stack([m.theta for m in ms])
    places, found = numbers or list(range(len(company))), []
    for size in sizes:
        pairs = [m.train.rows(torch.arange(37 * k, 37 * k + size)) for k, m in zip(places, ms, strict=True)]
        rows.on(torch.stack([x for x, _ in pairs]), torch.stack([y for _, y in pairs]), [None] * len(ms))
        found += [tensor.clone() for tensor in rows.value_and_grad(theta)]
    return found


@each_precision
def test_neighbours_with_other_rules_that_end_at_other_times_change_no_bit(precision: str, tmp_path: Path) -> None:
    stops = [("stop=steps", f"stop.steps={steps}") for steps in (4, 2, 6, 5)]
    rules = ("adam", "sgd", "muon", "adam")
    company = [
        composed(*DIGITS, f"precision={precision}", *stop, f"optimizer={rule}", f"seed={seed}")
        for seed, (stop, rule) in enumerate(zip(stops, rules, strict=True))
    ]
    everyone = together(company, numbered(tmp_path / "everyone", 4))
    for number, chosen in enumerate(([0], [1], [2], [3], [0, 3], [2, 1])):
        found = together([company[k] for k in chosen], numbered(tmp_path / str(number), len(chosen)))
        assert [same(each, everyone[k]) for k, each in zip(chosen, found, strict=True)] == [True] * len(chosen)


@each_precision
def test_neighbours_with_another_loss_change_no_bit(precision: str, tmp_path: Path) -> None:
    one, other = (
        composed(*DIGITS, f"precision={precision}", f"loss.label_smoothing={share}", f"seed={seed}")
        for seed, share in enumerate((0.1, 0.2))
    )
    mixed = together([one, other, one], numbered(tmp_path / "mixed", 3))
    assert same(mixed[0], mixed[2])
    assert same(mixed[0], together([one], numbered(tmp_path / "single", 1))[0])
    assert same(mixed[1], together([other, other], numbered(tmp_path / "pair", 2))[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_the_place_of_a_batch_changes_no_bit_of_its_cross_entropy(share: float, dtype: torch.dtype) -> None:
    # 3 * 57 examples leave a rest in a register, which a kernel that walks over all of them rounds in another way
    numbers = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(3, 57, 10, generator=numbers), torch.randint(10, (3, 57), generator=numbers)

    def answer(places: list[int]) -> tuple[Tensor, Tensor]:
        asked = outputs[places].to(dtype).requires_grad_()
        values = CrossEntropy(label_smoothing=share).values(asked, targets[places])
        return values.detach(), torch.autograd.grad(values.sum(), asked)[0]

    values, gradients = answer([0, 1, 2])
    for places in ([2], [2, 0], [1, 2, 0, 1]):
        moved, slopes = answer(places)
        assert torch.equal(moved, values[places])
        assert torch.equal(slopes, gradients[places])


@pytest.mark.parametrize("steps", [2, 3])
def test_the_end_of_all_within_an_epoch_is_that_of_one_after_the_other(steps: int, tmp_path: Path) -> None:
    # of two that end together the metrics are taken together, of one that leaves another behind by itself
    words = ("dataset=diabetes", "loss=mse", "batch_size=64", "architecture.hidden=[32]", "stop=steps")
    first, second, later = (composed(*words, f"stop.steps={n}", f"seed={n % 2}") for n in (steps, steps, 7))
    both = together([first, second], numbered(tmp_path / "both", 2))
    left = together([first, later], numbered(tmp_path / "left", 2))
    assert same(both[0], left[0])


def test_one_that_leaves_changes_no_bit_of_a_small_run(tmp_path: Path) -> None:
    company = rates(run("epochs=8", "architecture/activation=gelu"), 1.0, 0.5, 0.3)
    everyone = together(company, numbered(tmp_path / "everyone", 3))
    fewer = together(company[1:], numbered(tmp_path / "fewer", 2))
    assert [same(*pair) for pair in zip(everyone[1:], fewer, strict=True)] == [True, True]


def sgd(*words: str) -> list[Run]:
    return rates(composed(*DIGITS, "optimizer=sgd", *words), 1.0, 0.5, 0.3)


def beyond(choice: Choice, **numbers: float) -> Any:
    """A choice with numbers larger than a user may give, so that float64 overflows too."""
    for name, number in numbers.items():
        object.__setattr__(choice, name, number)
    return choice


def diverging(how: str, precision: str) -> list[Run]:
    """Three runs of which the second diverges."""
    network = (f"precision={precision}", "architecture/normalization=batch", "architecture.dropout=0.3")
    match how:
        case "in the first step":
            change = {"init": Normal(std=1e30), "regularizer": beyond(L2(), strength=1e300)}
            company = sgd(*network)
        case "within an epoch":
            change = {"lr": 1e30}  # the scores are 1e84 after a step, and the gradient 1e172 after two
            company = sgd(f"precision={precision}", "architecture.dropout=0.3")
        case "on the validation part alone":
            # three layers: a gradient is a product of two weights, a score one of three
            std, lr = {"float64": (1e60, 1e30), "float32": (1e6, 1e20)}[precision]
            change = {"init": beyond(Normal(), std=std), "lr": lr}
            company = sgd(f"precision={precision}", "sampler=full")
        case (
            _
        ):  # at the second gradient of a step: nothing but a bias moves at first, and from there the penalty is inf
            change = {"init": Zeros(), "regularizer": beyond(L2(biases=True), strength=1e308)}
            company = rates(composed(*DIGITS, "optimizer=sam", "optimizer.rho=10", "lr=1e-3", *network), 1.0, 0.5, 0.3)
    return seeds(company[0], {"lr": company[0].lr}, change, {"lr": company[2].lr})


DIVERGING = ["in the first step", "within an epoch", "on the validation part alone", "at the second gradient of a step"]


@each_precision
@pytest.mark.parametrize("how", DIVERGING)
def test_a_run_that_diverges_leaves_the_others_bit_equal(how: str, precision: str, tmp_path: Path) -> None:
    first, bad, last = diverging(how, precision)
    found = together([first, bad, last], numbered(tmp_path / "three", 3))
    assert [status(each) for each in found] == ["completed", "diverged", "completed"]
    others = together([first, last], numbered(tmp_path / "two", 2))
    assert same(found[0], others[0])
    assert same(found[2], others[1])


@pytest.mark.parametrize("how", DIVERGING)
def test_a_run_that_diverges_ends_as_it_does_alone(how: str, tmp_path: Path) -> None:
    company = diverging(how, "float64")
    assert farthest(company, tmp_path) < 1e-10
    single = alone(company[1], tmp_path / "single")
    assert status(single) == "diverged"
    assert single.rows[-1]["step"] == {"within an epoch": 2, "on the validation part alone": 1}.get(how, 0)


def test_all_may_diverge_at_once(tmp_path: Path) -> None:
    _, bad, _ = diverging("within an epoch", "float64")
    single, *both = alone(bad, tmp_path / "single"), *together([bad, bad], numbered(tmp_path, 2))
    assert [status(each) for each in both] == ["diverged"] * 2
    assert apart(single, both[0]) < 1e-10
    assert same(*both)


def status(run: Left) -> str:
    assert run.ending is not None
    return run.ending.status
