"""The exam of every loss in runner/loss/."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from runner.core.errors import ConfigError
from runner.loss.base import Loss
from tests.contract.rooms import choices

CLASSES = choices("loss")
each = pytest.mark.parametrize("loss", [cls() for cls in CLASSES.values()], ids=CLASSES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def accepted(loss: Loss) -> list[int | None]:
    """The kinds of targets that it can be used with: classes (five), numbers (None), no targets (0)."""
    found: list[int | None] = []
    for classes in (5, None, 0):
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
    assert {"cross_entropy", "mse"} <= CLASSES.keys()


@each
def test_it_can_be_used_with_some_targets(loss: Loss) -> None:
    assert accepted(loss)


@each
def test_it_never_takes_data_with_and_without_targets_alike(loss: Loss) -> None:
    assert accepted(loss) in ([5], [None], [0])


@each_dtype
@each
def test_its_value_is_one_number_of_the_dtype_of_the_scores(loss: Loss, dtype: torch.dtype) -> None:
    value = loss.value(*problem(loss, dtype))
    assert value.shape == ()
    assert value.dtype == dtype


# Means over twelve and over six terms: a few roundings.
@each
def test_its_value_is_a_mean_over_the_batch(loss: Loss) -> None:
    output, target = problem(loss)
    twice = loss.value(torch.cat([output, output]), torch.cat([target, target]))
    singles = [loss.value(output[i : i + 1], target[i : i + 1]) for i in range(6)]
    value = loss.value(output, target)
    assert twice.item() == pytest.approx(value.item(), rel=1e-14, abs=0)
    assert torch.stack(singles).mean().item() == pytest.approx(value.item(), rel=1e-14, abs=0)


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
        loss.value(output, target).item(), rel=1e-14, abs=0
    )


@each
def test_its_gradient_is_its_slope(loss: Loss) -> None:
    output, target = problem(loss)
    assert torch.autograd.gradcheck(lambda scores: loss.value(scores, target), output.requires_grad_())


@each_dtype
@each
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


@each
def test_a_step_against_the_gradient_lowers_it(loss: Loss) -> None:
    output, target = problem(loss)
    asked = output.clone().requires_grad_()
    (g,) = torch.autograd.grad(loss.value(asked, target), asked)
    assert loss.value(output - 1e-3 * g, target) < loss.value(output, target)
