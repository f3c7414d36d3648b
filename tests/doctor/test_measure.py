"""What the doctor measures, against theory and independent computations."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from torch import Tensor

from runner.core.curvature import Curved
from runner.doctor import measure
from runner.doctor.chance import chance
from runner.run import Material, Run, prepare
from runner.train import PROBED
from tests.lanes.sides import IRIS, composed

PLANE = (
    *("dataset=least_squares", "dataset.examples=60", "dataset.features=3", "dataset.noise=0.5", "loss=mse"),
    *("architecture=linear", "sampler=full", "stop=epochs"),
)


def ready(*words: str) -> tuple[Run, Material, Curved]:
    run = composed(*words)
    m = prepare(run)
    return run, m, m.objective.measuring().sample(measure.EXAMPLES, PROBED)


def hessian(m: Material) -> Tensor:
    """Of a linear map with a bias and squared errors: 2 E[(x 1)(x 1)']."""
    x, _ = m.train.rows(torch.arange(len(m.train)))
    a = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    return 2 * a.T @ a / len(a)


def test_the_slide_ends_at_the_least_squares_solution() -> None:
    run, m, asked = ready(*PLANE)
    x, y = m.train.rows(torch.arange(len(m.train)))
    a = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    residual = y - a @ torch.linalg.lstsq(a, y.unsqueeze(1)).solution.squeeze(1)
    found = measure.slide(run, m, asked, m.theta.clone())
    # torch's rule ends where the largest element of the gradient is below 1e-7 or a step below 1e-9
    assert found.least == pytest.approx(residual.square().mean().item(), rel=1e-6)
    assert found.before == pytest.approx(asked.value(m.theta), rel=1e-12)
    assert found.val_least <= found.val_before


def test_the_slide_leaves_the_penalty_out_of_what_it_tells() -> None:
    run, m, asked = ready(*PLANE, "regularizer=l2", "regularizer.strength=5")
    found = measure.slide(run, m, asked, m.theta.clone())
    assert found.before < asked.value(m.theta)  # which holds the penalty


def test_the_sharpest_curvature_is_the_largest_eigenvalue_of_the_hessian() -> None:
    _, m, asked = ready(*PLANE)
    # four products of four dimensions are exact
    assert measure.sharpest(asked, m.theta) == pytest.approx(torch.linalg.eigvalsh(hessian(m))[-1].item(), rel=1e-8)


@pytest.mark.parametrize("halvings", [0, 3, 6])
def test_a_step_of_gradient_descent_can_be_as_much_longer_as_its_rate_is_below_the_best(halvings: int) -> None:
    """Along g the loss is lowest at g'g / g'Hg times g: of that rate the reach is 1, of 2^-k of it 2^k."""
    run, m, asked = ready(*PLANE, "optimizer=sgd")
    _, g = asked.value_and_grad(m.theta)
    best = (g @ g / (g @ hessian(m) @ g)).item()
    before = m.theta.clone()
    assert measure.reach(run, m, asked, {}, best / 2**halvings, 1) == 2**halvings
    assert torch.equal(m.theta, before)


def test_a_rule_that_does_not_move_has_no_reach() -> None:
    run, m, asked = ready(*PLANE, "optimizer=sgd")
    assert math.isnan(measure.reach(run, m, asked, {}, 0.0, 1))


def test_the_noise_is_the_covariance_of_the_examples_over_the_size_of_a_batch() -> None:
    run, m, asked = ready(*PLANE, "sampler=shuffle", "batch_size=10")
    each = asked.per_example(m.theta)
    mean = each.mean(0)
    signal, noise = measure.signal_and_noise(run, m, asked, m.theta)
    assert signal == pytest.approx(mean.square().sum().item(), rel=1e-10)
    # of 20 draws: their variance, summed over 4 directions of which one or two matter, is known to sqrt(2/19) = 0.3
    assert noise == pytest.approx((each - mean).square().sum(1).mean().item() / 10, rel=0.9)


def test_a_batch_of_all_examples_has_no_noise() -> None:
    run, m, asked = ready(*PLANE)
    assert measure.signal_and_noise(run, m, asked, m.theta)[1] == 0


def test_the_neighbours_and_support_vectors_answer_as_those_of_scikit_learn() -> None:
    run, m, _ = ready(*IRIS)
    (x, y), (other, wanted) = measure.some(m.train), measure.some(m.validation)
    twin = KNeighborsClassifier(measure.NEIGHBOURS).fit(x / x.std(0), y)
    shares = (twin.predict_proba(other / x.std(0)) * measure.NEIGHBOURS + 0.5) / (measure.NEIGHBOURS + 1.5)
    assert measure.neighbours(run, m) == {
        "accuracy": pytest.approx(twin.score(other / x.std(0), wanted)),
        "loss": pytest.approx(log_loss(wanted, shares, labels=[0, 1, 2])),
    }
    run, m, _ = ready(*PLANE)
    (x, y), (other, wanted) = measure.some(m.train), measure.some(m.validation)
    guess = KNeighborsRegressor(measure.NEIGHBOURS).fit(x / x.std(0), y).predict(other / x.std(0))
    machine = TransformedTargetRegressor(SVR(), transformer=StandardScaler()).fit(x / x.std(0), y)
    smooth = machine.predict(other / x.std(0))
    assert measure.neighbours(run, m) == {
        "loss": pytest.approx(((guess - wanted.numpy()) ** 2).mean()),
        "vectors": pytest.approx(((smooth - wanted.numpy()) ** 2).mean(), rel=1e-3),  # libsvm stops at 1e-3
    }


def test_columns_are_compared_with_the_middle_one_and_constants_left_out() -> None:
    x = torch.tensor([[1.0, -10.0, 5.0, 99.0], [-1.0, 10.0, 7.0, 103.0]])
    assert measure.spread(x) == measure.Spread(10205.0, 10205.0)  # variances 1, 100, 1, 4: the middle one is 1
    assert measure.spread(torch.ones(3, 2)) == measure.Spread(1.0, 1.0)


def test_twins_are_the_units_with_equal_weights() -> None:
    assert measure.twins(torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])) == 0.75
    assert measure.twins(torch.tensor([[1.0, 2.0], [1.0, 2.001]])) == 0
    assert measure.twins(torch.zeros(5, 3)) == 1
    assert measure.twins(torch.ones(1, 3)) == 0


def test_a_squared_error_behind_a_softmax_is_flat_at_extreme_scores_and_cross_entropy_is_not() -> None:
    shares = []
    for loss in ("softmax_squared", "cross_entropy"):
        run, m, asked = ready("dataset=iris", f"loss={loss}", "architecture=linear")
        m.theta.mul_(1000)
        shares.append(measure.idle(run, asked, m.theta.clone()))
    assert shares[0] > 0.9
    assert shares[1] == 0


def test_a_constant_answer_loses_the_entropy_of_the_classes_or_the_variance_of_the_numbers() -> None:
    run, m, _ = ready(*IRIS)
    shares = torch.bincount(m.train.y) / len(m.train.y)
    assert chance(run.loss, m.train.y) == pytest.approx(-(shares * shares.log()).sum().item(), rel=1e-6)
    run, m, _ = ready(*PLANE)
    assert chance(run.loss, m.train.y) == pytest.approx(m.train.y.var(correction=0).item(), rel=1e-12)
    run, m, _ = ready("dataset=two_moons", "loss=bce")
    p = m.train.y.double().mean().item()
    assert chance(run.loss, m.train.y) == pytest.approx(-(p * math.log(p) + (1 - p) * math.log(1 - p)), rel=1e-6)
    assert math.isnan(chance(run.loss, torch.tensor([0, 1, 2])))  # three classes, which this loss does not know
    assert math.isnan(chance(run.loss, m.train.y[:0]))


def test_layers_are_told_from_the_first_to_the_last() -> None:
    """Of a linear chain the slopes of the outputs go back through the weights: g_l = W_{l+1}' g_{l+1}."""
    run, m, asked = ready(*IRIS, "architecture/activation=identity")
    found = measure.inside(run, asked, m.theta.clone(), m.layout)
    last = asked.layers(m.theta, "data", 0).layers[-1].slopes.flatten(0, 1)
    slopes, expected = last, [last.square().mean().sqrt().item()]
    for weight in [view for view in m.layout.views(m.theta) if view.ndim > 1][:0:-1]:
        slopes = slopes @ weight
        expected.insert(0, slopes.square().mean().sqrt().item())
    assert found.backward == pytest.approx(expected, rel=1e-10)
    assert found.finite
    assert found.first_bad is None
    assert found.units == tuple(run.architecture.hidden)  # type: ignore[attr-defined]


def test_the_first_activation_that_is_not_finite_is_named() -> None:
    run, m, asked = ready(*IRIS, "precision=float32")
    m.theta.mul_(1e30)
    found = measure.inside(run, asked, m.theta.clone(), m.layout)
    assert (found.finite, found.first_bad) == (False, 2)
