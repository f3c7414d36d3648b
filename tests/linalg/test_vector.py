"""Updates in place give the same for a float as for a column of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from runner.linalg.vector import add_product_, add_quotient_, add_scaled_, sqrt

K, P = 3, 41  # P is no multiple of a vector register's 4 or 8 numbers
FACTORS = [-0.3, 1.0, 7.25]
GENERATOR = torch.Generator().manual_seed(0)
Y, X = (torch.randn(K, P, dtype=torch.float64, generator=GENERATOR) for _ in range(2))
Z = torch.rand(K, P, dtype=torch.float64, generator=GENERATOR) + 0.5

UPDATES = {
    "y + a x": (lambda y, a, x, z: add_scaled_(y, a, x), lambda y, a, x, z: y + a * x),
    "y + a x / z": (add_quotient_, lambda y, a, x, z: y + a * x / z),
    "y + a x z": (add_product_, lambda y, a, x, z: y + a * x * z),
}
Update = Callable[[Tensor, "float | Tensor", Tensor, Tensor], Tensor]
each_update = pytest.mark.parametrize(("update", "definition"), UPDATES.values(), ids=UPDATES)


def column(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(FACTORS, dtype=dtype).unsqueeze(1)


# Three roundings a term, in one order or another: 4 eps of the largest summand (|a x / z| < 60).
@each_update
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 60 * 4 * 2.3e-16), (torch.float32, 60 * 4 * 1.2e-7)])
def test_a_column_of_factors_gives_in_each_row_what_the_float_gives(
    update: Update, definition: Update, dtype: torch.dtype, tolerance: float
) -> None:
    y, x, z = Y.to(dtype), X.to(dtype), Z.to(dtype)
    rows = update(y.clone(), column(dtype), x, z)
    for k, a in enumerate(FACTORS):
        single = update(y[k].clone(), a, x[k], z[k])
        torch.testing.assert_close(rows[k], single, rtol=0, atol=tolerance)


@each_update
def test_both_are_the_formula(update: Update, definition: Update) -> None:
    expected = definition(Y, column(), X, Z)
    torch.testing.assert_close(update(Y.clone(), column(), X, Z), expected, rtol=0, atol=60 * 4 * 2.3e-16)
    torch.testing.assert_close(update(Y.clone(), 2.5, X, Z), definition(Y, 2.5, X, Z), rtol=0, atol=60 * 4 * 2.3e-16)


@each_update
@pytest.mark.parametrize("a", [2.5, column()], ids=["float", "column"])
def test_only_y_changes_and_it_is_what_comes_back(update: Update, definition: Update, a: float | Tensor) -> None:
    y, x, z = Y.clone(), X.clone(), Z.clone()
    kept = a.clone() if isinstance(a, Tensor) else a
    assert update(y, a, x, z) is y
    assert not torch.equal(y, Y)
    assert torch.equal(x, X)
    assert torch.equal(z, Z)
    assert torch.equal(torch.as_tensor(a), torch.as_tensor(kept))


def test_the_root_of_a_float_is_a_float_and_of_a_tensor_a_tensor() -> None:
    assert sqrt(2.0) == math.sqrt(2)
    assert type(sqrt(2.0)) is float
    root = sqrt(column().abs())
    assert isinstance(root, Tensor)
    assert root.flatten().tolist() == [math.sqrt(abs(a)) for a in FACTORS]
