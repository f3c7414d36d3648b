"""Curvature products and what is made of them, against curvlinops, which somebody else wrote.

`make test` installs it; it is skipped where that was not done.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.core.curvature import Curved
from runner.core.theta import adopt
from runner.linalg.cg import conjugate_gradient
from runner.linalg.lanczos import lanczos
from runner.linalg.operator import gaussian
from runner.linalg.spectral_density import Spectrum
from runner.linalg.trace import hutch_plus_plus, hutchinson_diagonal, hutchinson_trace

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it is made of torch.jit.script, which torch is about to drop
    curvlinops: Any = pytest.importorskip("curvlinops", reason="curvlinops is not installed: `make .venv/dev` does it")

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
NUMBERS = torch.Generator().manual_seed(0)
FLAT = torch.randn(20, 6, generator=NUMBERS, dtype=torch.float64)
PICTURES = torch.randn(10, 2, 6, 6, generator=NUMBERS, dtype=torch.float64)
EXACT = {"rtol": 1e-10, "atol": 1e-13}  # sums of 20 examples in float64, in another order


def dense_net() -> tuple[nn.Module, Tensor]:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)), FLAT


def convolutional() -> tuple[nn.Module, Tensor]:
    layers = nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(27, 3)
    return nn.Sequential(*layers), PICTURES


LOSSES = {"cross entropy": nn.CrossEntropyLoss(), "squares": nn.MSELoss()}
NETS = [dense_net, convolutional]


class Case:
    """A network of ours, and theirs on the same parameters."""

    def __init__(self, net: Callable[[], tuple[nn.Module, Tensor]], loss: str) -> None:
        torch.manual_seed(0)
        module, x = net()
        self.module = module.double()
        self.loss, self.x = LOSSES[loss], x
        classes = torch.arange(len(x)) % 3
        self.y = classes if loss == "cross entropy" else torch.eye(3, dtype=torch.float64)[classes]
        self.ours = Curved(self.module, self.loss, *adopt(self.module))
        self.ours.on(self.x, self.y)
        self.like = torch.zeros_like(self.ours.theta)

    def theirs(self, kind: str, **settings: Any) -> Any:
        data = [(self.x, self.y)]
        return getattr(curvlinops, kind)(self.module, self.loss, list(self.module.parameters()), data, **settings)

    def dense(self, product: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.stack([product(e) for e in torch.eye(len(self.like), dtype=torch.float64)])


@pytest.fixture(scope="module")
def hessian() -> tuple[Case, Any, Tensor]:
    """A Hessian of 53 parameters: ours, theirs, and as a matrix."""
    case = Case(dense_net, "cross entropy")
    A = case.dense(case.ours.hessian(case.ours.theta))
    return case, case.theirs("HessianLinearOperator"), (A + A.T) / 2


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("hessian", "HessianLinearOperator"),
        ("gauss_newton", "GGNLinearOperator"),
        ("empirical_fisher", "EFLinearOperator"),
    ],
)
def test_products_with_the_curvature_are_theirs(
    ours: str, theirs: str, net: Callable[[], tuple[nn.Module, Tensor]], loss: str
) -> None:
    case = Case(net, loss)
    v = gaussian(case.like, NUMBERS)
    found, expected = getattr(case.ours, ours)(case.ours.theta)(v), case.theirs(theirs) @ v
    if (ours, loss) == ("empirical_fisher", "squares"):
        # of the mean over n examples and 3 outputs theirs is sum_i s_i s_i' / 3n, s_i the slopes of a sum over outputs
        expected = expected / 3
    torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.parametrize("net", NETS)
def test_the_kronecker_factors_of_every_layer_are_theirs(net: Callable[[], tuple[nn.Module, Tensor]]) -> None:
    """Of a convolution, A and G differ by the number of positions, by which ours divide G and theirs A."""
    case = Case(net, "cross entropy")
    settings = {"fisher_type": "empirical", "separate_weight_and_bias": False, "check_deterministic": False}
    theirs = case.theirs("KFACLinearOperator", **settings)
    theirs @ case.like
    for layer in case.ours.layers(case.ours.theta, "data", 1).layers:
        name = layer.weight.removesuffix(".weight")
        expected = torch.kron(theirs._input_covariances[name], theirs._gradient_covariances[name])
        torch.testing.assert_close(torch.kron(*layer.factors()), expected, **EXACT)


def test_both_ends_of_the_spectrum_are_those_of_their_matrix(hessian: tuple[Case, Any, Tensor]) -> None:
    case, theirs, _ = hessian
    values = torch.linalg.eigvalsh(theirs @ torch.eye(len(case.like), dtype=torch.float64))
    found = lanczos(case.ours.hessian(case.ours.theta), gaussian(case.like, NUMBERS), 40).values
    torch.testing.assert_close(found[[0, -1]], values[[0, -1]], rtol=1e-8, atol=0)  # 40 of 53 steps: the ends are there


def test_the_density_of_the_spectrum_is_theirs_from_the_same_steps(hessian: tuple[Case, Any, Tensor]) -> None:
    case, _, A = hessian
    spectrum = curvlinops.papyan2020traces.spectrum
    found = lanczos(A.mv, gaussian(case.like, NUMBERS), 20)
    ends = float(found.values[0]), float(found.values[-1])
    heads = torch.zeros(20, 20, dtype=torch.float64)
    heads[0] = found.weights.sqrt()  # the first parts of the eigenvectors, which are all that they use
    grid, expected = spectrum.lanczos_approximate_spectrum_from_iter((found.values, heads), ends, 100, 3.0, 0.05)
    sigma = 2 / 19 / (8 * torch.tensor(3.0).log()).sqrt().item() * (ends[1] - ends[0]) * 1.1 / 2
    density = Spectrum(found.values, found.weights, 20).density(grid, sigma)
    torch.testing.assert_close(density, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("ours", "theirs", "probes", "products"),
    [
        (hutchinson_trace, "hutchinson_trace", 30, 30),
        (hutch_plus_plus, "hutchpp_trace", 10, 30),
        (hutchinson_diagonal, "hutchinson_diag", 30, 30),
    ],
)
def test_estimates_from_as_many_products_err_as_theirs_do(
    ours: Any, theirs: str, probes: int, products: int, hessian: tuple[Case, Any, Tensor]
) -> None:
    """Over 400 estimates each, whose root mean square is known to 4 percent: 20 are more than 3.5 of its deviations."""
    case, _, A = hessian
    truth = A.diagonal() if ours is hutchinson_diagonal else A.trace()
    torch.manual_seed(0)
    mine = [ours(A.mv, case.like, NUMBERS, probes).value - truth for _ in range(400)]
    other = [getattr(curvlinops, theirs)(A, products) - truth for _ in range(400)]
    ratio = torch.stack(mine).square().mean().sqrt() / torch.stack(other).square().mean().sqrt()
    assert 0.8 < ratio < 1.25


def test_conjugate_gradients_solve_what_theirs_solve(hessian: tuple[Case, Any, Tensor]) -> None:
    case, _, _ = hessian
    b = gaussian(case.like, NUMBERS)
    G = case.theirs("GGNLinearOperator")
    eye = torch.eye(len(b), dtype=torch.float64)
    product = case.ours.gauss_newton(case.ours.theta)
    found = conjugate_gradient(lambda v: product(v) + 0.3 * v, b, rtol=1e-12).x
    expected = torch.linalg.solve(G @ eye + 0.3 * eye, b)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
