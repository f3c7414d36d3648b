"""The exam of every regularizer in runner/regularizer/."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from runner.core.theta import Layout, Slot
from runner.regularizer.base import Regularizer
from runner.regularizer.l1 import L1
from runner.regularizer.l2 import L2
from runner.regularizer.sum_of import SumOf
from tests.contract.rooms import choices, variants

CLASSES = choices("regularizer")
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}
# Each as it is by itself, with one argument changed, and a sum that is not empty.
RULES: dict[str, Regularizer] = (
    {name: cls() for name, cls in CLASSES.items()}
    | {name: other for name, (_, other) in KNOBS.items()}
    | {"sum of two": SumOf(terms={"l1": L1(strength=0.1), "l2": L2(strength=0.3, biases=True)})}
)
each = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])

# A wide matrix, its bias, a tall one, and a kernel.
LAYOUT = Layout(
    (Slot("a", (3, 4), 0, 12), Slot("b", (3,), 12, 3), Slot("c", (5, 2), 15, 10), Slot("d", (2, 2, 2, 2), 25, 16))
)


def theta(dtype: torch.dtype = torch.float64, *lead: int) -> Tensor:
    numbers = torch.Generator().manual_seed(0)
    return torch.randn(*lead, LAYOUT.size, generator=numbers, dtype=torch.float64).to(dtype)


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"none", "l1", "l2", "soft_orthogonal", "spectral_orthogonal", "sum_of"} <= CLASSES.keys()


@each_dtype
@each
def test_its_value_is_one_number_and_its_gradient_a_vector_like_theta(rule: Regularizer, dtype: torch.dtype) -> None:
    at = theta(dtype)
    value, gradient = rule.value_and_grad(at, LAYOUT)
    assert rule.value(at, LAYOUT).shape == value.shape == ()
    assert gradient.shape == at.shape
    assert value.dtype == gradient.dtype == dtype
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert not value.requires_grad
    assert not gradient.requires_grad


@each
def test_it_is_nowhere_below_0(rule: Regularizer) -> None:
    for scale in (0.0, 0.1, 1.0, 10.0):
        assert rule.value(scale * theta(), LAYOUT) >= 0


# Sums of at most 80 products of numbers up to 10.
@each
def test_its_gradient_is_that_of_automatic_differentiation(rule: Regularizer) -> None:
    value, gradient = rule.value_and_grad(theta(), LAYOUT)
    naive, its = Regularizer.value_and_grad(rule, theta(), LAYOUT) if rule.term else (value, gradient)
    assert value.item() == pytest.approx(naive.item(), rel=1e-13, abs=0)
    torch.testing.assert_close(gradient, its, rtol=1e-12, atol=1e-15)


@each
def test_its_gradient_is_its_slope(rule: Regularizer) -> None:
    at, direction = theta(), torch.linspace(-1, 1, LAYOUT.size, dtype=torch.float64).cos()
    _, gradient = rule.value_and_grad(at, LAYOUT)
    h = 1e-6  # a central difference errs by h^2 Omega'''/6 + eps Omega/h: 1e-9 of the value
    ahead, behind = rule.value(at + h * direction, LAYOUT), rule.value(at - h * direction, LAYOUT)
    slope = (ahead - behind).item() / (2 * h)
    assert slope == pytest.approx((gradient @ direction).item(), rel=1e-7, abs=1e-9)


@each
def test_asking_changes_nothing_and_draws_no_random_number(rule: Regularizer) -> None:
    at, before = theta(), torch.random.get_rng_state()
    first = [part.clone() for part in rule.value_and_grad(at, LAYOUT)]
    again = rule.value_and_grad(at, LAYOUT)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(at, theta())
    assert torch.equal(torch.random.get_rng_state(), before)


@each
def test_rows_side_by_side_have_the_penalties_that_they_have_alone(rule: Regularizer) -> None:
    rows = theta(torch.float64, 3)
    values, gradients = rule.value_and_grad(rows, LAYOUT)
    assert values.shape == (3,)
    for row, value, gradient in zip(rows, values, gradients, strict=True):
        alone, its = rule.value_and_grad(row, LAYOUT)
        assert value.item() == pytest.approx(alone.item(), rel=1e-12, abs=0)
        torch.testing.assert_close(gradient, its, rtol=1e-10, atol=1e-14)  # products of other shapes, eigenvectors


@each
def test_a_step_against_the_gradient_lowers_it_unless_it_is_flat(rule: Regularizer) -> None:
    value, gradient = rule.value_and_grad(theta(), LAYOUT)
    lower = rule.value(theta() - 1e-4 * gradient, LAYOUT)
    assert lower < value or not gradient.any()


@each_dtype
@each
def test_it_measures_one_number_for_each_column(rule: Regularizer, dtype: torch.dtype) -> None:
    numbers = rule.measure(theta(dtype), LAYOUT)
    assert isinstance(numbers, tuple)
    assert len(numbers) == len(rule.columns)
    assert all(type(number) is float for number in numbers)
    assert all(name.isidentifier() for name in rule.columns)


@each
def test_what_adds_nothing_has_no_column_and_no_term(rule: Regularizer) -> None:
    assert (rule.term is None) == (rule.columns == ())
    assert rule.term in (None, rule)


@pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
def test_every_argument_changes_the_gradient(one: Regularizer, other: Regularizer) -> None:
    assert not torch.equal(one.value_and_grad(theta(), LAYOUT)[1], other.value_and_grad(theta(), LAYOUT)[1])


@each
def test_equal_arguments_make_equal_rules(rule: Regularizer) -> None:
    assert rule == type(rule)(**vars(rule))
