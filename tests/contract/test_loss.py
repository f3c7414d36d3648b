"""The exam of every loss in runner/loss/."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from runner.core.errors import ConfigError
from runner.core.objective import Objective
from runner.core.theta import adopt
from runner.loss.base import Loss
from tests.contract.rooms import choices, variants

CLASSES = choices("loss")
PLAIN = {name: cls() for name, cls in CLASSES.items()}
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}
# Each as it is by itself, and with one argument changed.
LOSSES: dict[str, Loss] = PLAIN | {name: other for name, (_, other) in KNOBS.items()}
each = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def trainable(loss: Loss) -> bool:
    try:
        loss.refuse_training()
    except ConfigError:
        return False
    return True


each_trainable = pytest.mark.parametrize(
    "loss",
    [loss for loss in LOSSES.values() if trainable(loss)],
    ids=[n for n, loss in LOSSES.items() if trainable(loss)],
)


def accepted(loss: Loss) -> list[int | None]:
    """The kinds of targets that it can be used with: classes (three, two), numbers (None), no targets (0)."""
    found: list[int | None] = []
    for classes in (3, 2, None, 0):
        try:
            loss.outputs(classes)
        except ConfigError:
            continue
        found.append(classes)
    return found


def problem(loss: Loss, dtype: torch.dtype = torch.float64, batch: int = 6) -> tuple[Tensor, Tensor]:
    """Scores and targets of a kind that it accepts."""
    numbers = torch.Generator().manual_seed(0)
    classes = accepted(loss)[0]
    output = torch.randn(batch, loss.outputs(classes), generator=numbers, dtype=torch.float64).to(dtype)
    as_classes = torch.randint(classes or 1, (batch,), generator=numbers)
    as_numbers = torch.randn(batch, generator=numbers, dtype=torch.float64).to(dtype)
    return output, as_numbers if classes is None else as_classes


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"cross_entropy", "mse", "bce", "l1", "sinkhorn"} <= CLASSES.keys()
    assert sum(trainable(loss) for loss in PLAIN.values()) >= 10


@each
def test_it_never_takes_classes_and_numbers_alike(loss: Loss) -> None:
    assert accepted(loss) in ([3, 2], [2], [None], [0])


@each
def test_it_can_be_used_with_some_targets(loss: Loss) -> None:
    assert accepted(loss)


@each_dtype
@each
def test_its_value_is_one_number_of_the_dtype_of_the_scores(loss: Loss, dtype: torch.dtype) -> None:
    value = loss.value(*problem(loss, dtype))
    assert value.shape == ()
    assert value.dtype == dtype


# Means over twelve and over six terms: a few roundings, and a digit where a loss is a difference of larger numbers.
@each
def test_its_value_is_a_mean_over_the_batch(loss: Loss) -> None:
    output, target = problem(loss)
    twice = loss.value(torch.cat([output, output]), torch.cat([target, target]))
    singles = [loss.value(output[i : i + 1], target[i : i + 1]) for i in range(6)]
    value = loss.value(output, target)
    assert twice.item() == pytest.approx(value.item(), rel=1e-13, abs=0)
    assert torch.stack(singles).mean().item() == pytest.approx(value.item(), rel=1e-13, abs=0)


@each
def test_its_metrics_are_means_over_the_batch_under_the_names_that_it_announces(loss: Loss) -> None:
    output, target = problem(loss)
    measured = loss.measure(output, target)
    assert measured.keys() == loss.metrics.keys()
    assert set(loss.metrics.values()) <= {"max", "min"}
    for name, value in measured.items():
        singles = [loss.measure(output[i : i + 1], target[i : i + 1])[name] for i in range(6)]
        assert value.shape == ()
        assert torch.stack(singles).mean().item() == pytest.approx(value.item(), rel=1e-14, abs=0)


@each
def test_the_order_of_the_examples_does_not_matter(loss: Loss) -> None:
    output, target = problem(loss)
    assert loss.value(output.flip(0), target.flip(0)).item() == pytest.approx(
        loss.value(output, target).item(), rel=1e-13, abs=0
    )


@each_trainable
def test_its_gradient_is_its_slope(loss: Loss) -> None:
    output, target = problem(loss)
    assert torch.autograd.gradcheck(lambda scores: loss.value(scores, target), output.requires_grad_())


@each_dtype
@each_trainable
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_value_and_gradient_are_finite_at_large_scores(loss: Loss, size: float, dtype: torch.dtype) -> None:
    output, target = problem(loss, dtype)
    for scores in (torch.full_like(output, size), output.sign() * size):
        asked = scores.requires_grad_()
        value = loss.value(asked, target)
        (g,) = torch.autograd.grad(value, asked)
        assert value.isfinite()
        assert g.isfinite().all()


@each
def test_measuring_changes_nothing(loss: Loss) -> None:
    output, target = problem(loss)
    kept = output.clone(), target.clone()
    loss.value(output, target)
    loss.measure(output, target)
    assert torch.equal(output, kept[0])
    assert torch.equal(target, kept[1])


@each_trainable
def test_a_step_against_the_gradient_lowers_it(loss: Loss) -> None:
    output, target = problem(loss)
    asked = output.clone().requires_grad_()
    (g,) = torch.autograd.grad(loss.value(asked, target), asked)
    assert loss.value(output - 1e-3 * g, target) < loss.value(output, target)


def descended(loss: Loss) -> tuple[float, Tensor, float]:
    """What training sees of it on one batch: its value and gradient for one affine map, and its mean."""
    output, target = problem(loss)
    module = nn.Linear(3, output.shape[1]).double()
    theta, layout = adopt(module)
    theta.copy_(torch.linspace(-1, 1, len(theta)).sin())
    asked = Objective(module, loss.value, theta, layout, summed=loss.summed)
    asked.on(torch.linspace(-2, 2, 18, dtype=torch.float64).cos().view(6, 3), target)
    value, gradient = asked.value_and_grad(theta)
    return value, gradient.clone(), asked.first[0]


@pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
def test_every_argument_changes_what_is_descended(one: Loss, other: Loss) -> None:
    if not trainable(one):
        assert one.summed != other.summed  # nothing descends it; the one argument that every loss has
        return
    (value, gradient, _), (changed, its, _) = descended(one), descended(other)
    assert value != changed or gradient.shape != its.shape or not torch.equal(gradient, its)


@pytest.mark.parametrize("name", [name for name, loss in PLAIN.items() if trainable(loss)])
def test_a_sum_has_b_times_the_gradient_and_the_same_mean(name: str) -> None:
    value, gradient, mean = descended(CLASSES[name]())
    summed, its, its_mean = descended(CLASSES[name](reduction="sum"))
    assert mean == its_mean == value
    assert summed == 6 * value
    assert torch.equal(its, 6 * gradient)


@each_trainable
def test_its_second_derivative_answers_rows_as_it_answers_each(loss: Loss) -> None:
    output, target = problem(loss)
    z = output.requires_grad_()
    (slope,) = torch.autograd.grad(loss.value(z, target), z, create_graph=True)
    slope = slope + 0.0 * z  # that of a loss of straight pieces has no graph
    rows = torch.randn(3, *z.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    each = torch.stack([torch.autograd.grad(slope, z, row, retain_graph=True)[0] for row in rows])
    (together,) = torch.autograd.grad(slope, z, rows, is_grads_batched=True)
    # the same sums in another order
    torch.testing.assert_close(together, each, rtol=1e-12, atol=1e-14)


def drawing(loss: Loss) -> bool:
    try:
        loss.own_slopes(torch.zeros(1, 2), torch.Generator())
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize(
    "loss", [loss for loss in LOSSES.values() if drawing(loss)], ids=[n for n, loss in LOSSES.items() if drawing(loss)]
)
def test_the_slopes_of_its_own_targets_have_mean_0_and_its_hessian_as_covariance(loss: Loss) -> None:
    output, target = problem(loss, batch=1)
    drawn = loss.own_slopes(output.expand(100_000, -1), torch.Generator().manual_seed(0))
    hessian = torch.autograd.functional.hessian(lambda z: loss.value(z, target), output).squeeze((0, 2))
    # means of 100,000 draws err by about 1/sqrt(100,000) = 0.3 percent; four times that, of the largest curvature
    atol = 0.013 * hessian.max().item()
    torch.testing.assert_close(drawn.mean(0), torch.zeros_like(drawn[0]), rtol=0, atol=0.013)
    torch.testing.assert_close(drawn.T @ drawn / len(drawn), hessian, rtol=0, atol=atol)


def test_those_whose_targets_can_be_drawn_are_found() -> None:
    assert [name for name, loss in PLAIN.items() if drawing(loss)] == [
        *("bce", "cross_entropy", "kl", "mse", "sum_of_squares")
    ]


@each
def test_equal_arguments_make_equal_losses(loss: Loss) -> None:
    same = type(loss)(**vars(loss))
    assert same == loss
    assert hash(same) == hash(loss)
