"""How wrong the scores of a network are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import linprog
from scipy.special import expit
from sklearn.linear_model import Perceptron as Rosenblatt
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_squared_error
from torch import Tensor, nn

from runner.core.errors import ConfigError
from runner.core.objective import Objective
from runner.core.theta import adopt
from runner.loss.base import Loss
from runner.loss.bce import BCE
from runner.loss.cross_entropy import CrossEntropy
from runner.loss.huber import Huber
from runner.loss.kl import KL
from runner.loss.l1 import L1
from runner.loss.mse import MSE
from runner.loss.perceptron import Perceptron
from runner.loss.sigmoid_squared import SigmoidSquared
from runner.loss.sinkhorn import Sinkhorn
from runner.loss.softmax_squared import SoftmaxSquared
from runner.loss.sum_of_squares import SumOfSquares
from runner.loss.wasserstein import Wasserstein
from runner.loss.zero_one import ZeroOne

NUMBERS = torch.Generator().manual_seed(0)
SCORES = 3 * torch.randn(40, 5, generator=NUMBERS, dtype=torch.float64)
CLASSES = torch.randint(5, (40,), generator=NUMBERS)
OUTPUT = torch.randn(40, 1, generator=NUMBERS, dtype=torch.float64)
TARGET = torch.randn(40, generator=NUMBERS, dtype=torch.float64)
TWO = torch.randint(2, (40,), generator=NUMBERS)

ROUNDING = 1e-14  # a mean of 40 terms, each with a few roundings of 1e-16


def test_cross_entropy_is_that_of_torch_and_of_scikit_learn() -> None:
    value = CrossEntropy().value(SCORES, CLASSES)
    assert value.shape == ()
    assert value.item() == nn.CrossEntropyLoss()(SCORES, CLASSES).item()
    probabilities = torch.softmax(SCORES, -1).numpy()
    expected = log_loss(CLASSES.numpy(), probabilities, labels=range(5))
    assert value.item() == pytest.approx(expected, rel=ROUNDING, abs=0)


def test_cross_entropy_of_equal_scores_is_the_logarithm_of_the_number_of_classes() -> None:
    for classes in (2, 10):
        scores = torch.full((3, classes), 7.0, dtype=torch.float64)
        assert CrossEntropy().value(scores, torch.tensor([0, 1, 1])).item() == pytest.approx(
            math.log(classes), rel=ROUNDING, abs=0
        )


def test_the_gradient_of_cross_entropy_is_p_minus_y_over_the_batch_size() -> None:
    scores = SCORES.clone().requires_grad_()
    (g,) = torch.autograd.grad(CrossEntropy().value(scores, CLASSES), scores)
    y = nn.functional.one_hot(CLASSES, 5)
    torch.testing.assert_close(g, (torch.softmax(SCORES, -1) - y) / 40, rtol=0, atol=1e-16)  # all are below 1/40


def test_a_number_added_to_all_scores_of_an_example_changes_nothing() -> None:
    shifted = SCORES + torch.linspace(-50, 50, 40, dtype=torch.float64).unsqueeze(1)
    # scores of 50 have a last bit of 7e-15
    assert CrossEntropy().value(shifted, CLASSES).item() == pytest.approx(
        CrossEntropy().value(SCORES, CLASSES).item(), rel=1e-13, abs=0
    )


def test_accuracy_is_the_share_of_right_classes() -> None:
    measured = CrossEntropy().measure(SCORES, CLASSES)
    assert {name: value.item() for name, value in measured.items()} == {
        "accuracy": accuracy_score(CLASSES, SCORES.argmax(-1))
    }
    scores = torch.tensor([[1.0, 2.0], [2.0, 1.0], [0.0, 3.0], [0.0, 3.0]])
    assert CrossEntropy().measure(scores, torch.tensor([1, 0, 0, 1]))["accuracy"].item() == 0.75


def test_mse_is_that_of_torch_and_of_scikit_learn() -> None:
    value = MSE().value(OUTPUT, TARGET)
    assert value.shape == ()
    assert value.item() == nn.MSELoss()(OUTPUT.squeeze(-1), TARGET).item()
    assert value.item() == pytest.approx(mean_squared_error(TARGET, OUTPUT), rel=ROUNDING, abs=0)


def test_mse_compares_each_output_with_its_own_target() -> None:
    # Without care [B, 1] - [B] is a table [B, B] of all with all.
    assert MSE().value(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 2.0])).item() == 0.0


def test_the_gradient_of_mse_is_twice_the_error_over_the_batch_size() -> None:
    output = OUTPUT.clone().requires_grad_()
    (g,) = torch.autograd.grad(MSE().value(output, TARGET), output)
    torch.testing.assert_close(g, 2 * (OUTPUT - TARGET.unsqueeze(1)) / 40, rtol=1e-15, atol=0)


def test_mae_is_the_mean_of_the_absolute_errors() -> None:
    measured = MSE().measure(OUTPUT, TARGET)
    assert list(measured) == ["mae"]
    assert measured["mae"].item() == pytest.approx(mean_absolute_error(TARGET, OUTPUT), rel=ROUNDING, abs=0)


def test_which_way_is_better_is_the_metric_s_own() -> None:
    assert CrossEntropy().metrics == BCE().metrics == MSE(one_hot=True).metrics == {"accuracy": "max"}
    assert MSE().metrics == L1().metrics == {"mae": "min"}


def test_the_number_of_outputs_comes_from_the_targets() -> None:
    assert CrossEntropy().outputs(7) == 7
    assert MSE().outputs(None) == 1


def test_cross_entropy_refuses_targets_that_are_numbers() -> None:
    with pytest.raises(ConfigError) as caught:
        CrossEntropy().outputs(None)
    assert str(caught.value) == (
        "loss=cross_entropy is refused\n"
        "  allowed: targets in classes; the targets of this data set are numbers\n"
        "  do this: choose loss=mse, or a data set with classes"
    )


def test_mse_refuses_targets_that_are_classes() -> None:
    with pytest.raises(ConfigError) as caught:
        MSE().outputs(10)
    assert str(caught.value) == (
        "loss=mse is refused\n"
        "  allowed: targets that are numbers; the targets of this data set are 10 classes\n"
        "  do this: choose loss=cross_entropy, give loss.one_hot=true, or choose a data set with numbers"
    )


def slope(loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    """The gradient of the mean with respect to the outputs."""
    asked = output.clone().requires_grad_()
    (g,) = torch.autograd.grad(loss.value(asked, target), asked)
    return g


# Label smoothing


def test_label_smoothing_is_that_of_torch() -> None:
    twin = nn.CrossEntropyLoss(label_smoothing=0.1)(SCORES, CLASSES).item()
    assert CrossEntropy(label_smoothing=0.1).value(SCORES, CLASSES).item() == twin


def test_torch_s_smoothing_is_m_times_the_epsilon_of_the_deck() -> None:
    # the deck: eps for each wrong class and 1 - (m - 1) eps for the right one
    eps, m = 0.02, 5
    q = torch.full((40, m), eps, dtype=torch.float64)
    q[torch.arange(40), CLASSES] = 1 - (m - 1) * eps
    by_hand = -(q * SCORES.log_softmax(-1)).sum(-1).mean().item()
    assert CrossEntropy(eps_deck=eps).value(SCORES, CLASSES).item() == pytest.approx(by_hand, rel=ROUNDING, abs=0)
    twin = nn.functional.cross_entropy(SCORES, CLASSES, label_smoothing=m * eps).item()
    assert CrossEntropy(eps_deck=eps).value(SCORES, CLASSES).item() == twin


def test_an_epsilon_of_1_over_m_or_more_is_refused() -> None:
    assert CrossEntropy(eps_deck=0.09).outputs(10) == 10
    for eps in (0.1, 0.2):
        with pytest.raises(ConfigError) as caught:
            CrossEntropy(eps_deck=eps).outputs(10)
        assert str(caught.value) == (
            f"loss.eps_deck={eps} is refused\n"
            "  allowed: below 1/m = 0.1 for m = 10 classes, where the right class gets more than a wrong one\n"
            "  do this: give a smaller one"
        )


def test_the_two_epsilons_exclude_each_other() -> None:
    with pytest.raises(ConfigError) as caught:
        CrossEntropy(label_smoothing=0.1, eps_deck=0.01)
    assert str(caught.value) == (
        "eps_deck=0.01 is refused\n"
        "  allowed: 0 beside label_smoothing=0.1, which is m times eps_deck for m classes\n"
        "  do this: leave one of them at 0"
    )


def test_a_wrong_class_is_updated_without_smoothing_too() -> None:
    # The slide: where y_k = 0 the derivative of y_k log p_k is 0, hence no update due to y_k. But p_k depends on every
    # score, and the gradient with respect to z_k is p_k - y_k = p_k.
    p = SCORES.softmax(-1)
    g = 40 * slope(CrossEntropy(), SCORES, CLASSES)
    wrong = nn.functional.one_hot(CLASSES, 5) == 0
    torch.testing.assert_close(g[wrong], p[wrong], rtol=1e-14, atol=1e-16)
    assert (g[wrong] > 0).all()


def test_the_gradient_with_smoothing_is_p_minus_q() -> None:
    loss = CrossEntropy(eps_deck=0.03)
    expected = (SCORES.softmax(-1) - loss.wanted(CLASSES, SCORES)) / 40
    torch.testing.assert_close(slope(loss, SCORES, CLASSES), expected, rtol=0, atol=1e-16)


# Numbers


def test_sum_of_squares_is_nowhere_divided_by_the_outputs() -> None:
    y = nn.functional.one_hot(CLASSES, 5).double()
    value = SumOfSquares(one_hot=True).value(SCORES, CLASSES).item()
    assert value == pytest.approx(((SCORES - y) ** 2).sum().item() / 40, rel=ROUNDING, abs=0)
    # the slide equates ||.||^2 with MSELoss, which divides by n times the outputs
    assert value == pytest.approx(5 * nn.MSELoss()(SCORES, y).item(), rel=ROUNDING, abs=0)
    assert MSE(one_hot=True).value(SCORES, CLASSES).item() == nn.MSELoss()(SCORES, y).item()
    assert SumOfSquares().value(OUTPUT, TARGET).item() == MSE().value(OUTPUT, TARGET).item()


def test_with_a_sum_over_examples_it_is_the_squared_norm_of_all_errors() -> None:
    module = nn.Linear(3, 1).double()
    x = SCORES[:, :3]
    asked = Objective(module, SumOfSquares().value, *adopt(module), summed=SumOfSquares(reduction="sum").summed)
    asked.on(x, TARGET)
    value, _ = asked.value_and_grad(asked.theta)
    errors = module(x).squeeze(-1) - TARGET
    assert value == pytest.approx((errors @ errors).item(), rel=ROUNDING, abs=0)


def test_l1_and_huber_are_those_of_torch() -> None:
    z = OUTPUT.squeeze(-1)
    assert L1().value(OUTPUT, TARGET).item() == nn.L1Loss()(z, TARGET).item()
    y = nn.functional.one_hot(CLASSES, 5).double()
    assert L1(one_hot=True).value(SCORES, CLASSES).item() == nn.L1Loss()(SCORES, y).item()
    for delta in (0.1, 1.0, 3.0):
        twin = nn.HuberLoss(delta=delta)(z, TARGET).item()
        assert Huber(delta=delta).value(OUTPUT, TARGET).item() == pytest.approx(twin, rel=1e-15, abs=0)


def test_huber_is_smooth_l1_times_delta_half_a_square_inside_and_a_line_outside() -> None:
    smooth = nn.SmoothL1Loss(beta=0.5)(OUTPUT.squeeze(-1), TARGET).item()
    assert Huber(delta=0.5).value(OUTPUT, TARGET).item() == pytest.approx(0.5 * smooth, rel=ROUNDING, abs=0)
    zero = torch.zeros(1, dtype=torch.float64)
    for e, expected in ((0.5, 0.125), (-2.0, 2.0), (2.0, 2.0), (5.0, 8.0)):  # delta 2: 2 (|e| - 1) beyond
        assert Huber(delta=2.0).value(torch.tensor([[e]], dtype=torch.float64), zero).item() == expected


def test_among_constants_the_squared_error_has_the_mean_and_the_absolute_one_the_median() -> None:
    targets = torch.tensor([1.0, 2.0, 3.0, 4.0, 1000.0], dtype=torch.float64)
    constants = torch.linspace(0, 300, 3001, dtype=torch.float64)

    def best(loss: Loss) -> float:
        values = torch.stack([loss.value(c.expand(5, 1), targets) for c in constants])
        return constants[values.argmin()].item()

    assert best(MSE()) == pytest.approx(202.0, abs=0.05)  # the grid is 0.1 wide
    assert best(L1()) == pytest.approx(3.0, abs=0.05)
    # the slopes, errors clipped at 1, add up to 0 at 3: 1 + 1 + 0 - 1 - 1
    assert best(Huber(delta=1.0)) == pytest.approx(3.0, abs=0.05)


def test_the_gradient_of_l1_at_an_error_of_0_is_0() -> None:
    g = slope(L1(), torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0]))
    assert g.flatten().tolist() == [0.0, 0.5]


@pytest.mark.parametrize("loss", [MSE(one_hot=True), SumOfSquares(one_hot=True), L1(one_hot=True), Huber(one_hot=True)])
def test_with_one_hot_an_error_takes_classes_and_no_numbers(loss: Loss) -> None:
    assert loss.outputs(7) == 7
    with pytest.raises(ConfigError) as caught:
        loss.outputs(None)
    assert str(caught.value) == (
        f"loss={loss.name} with one_hot=true is refused\n"
        "  allowed: targets in classes; the targets of this data set are numbers\n"
        "  do this: choose loss=mse, or a data set with classes"
    )
    assert loss.measure(SCORES, CLASSES)["accuracy"].item() == accuracy_score(CLASSES, SCORES.argmax(-1))


# Two classes


def test_bce_is_that_of_torch_and_of_scikit_learn_and_not_what_the_slide_prints() -> None:
    value = BCE().value(OUTPUT, TWO).item()
    p = OUTPUT.squeeze(-1).sigmoid()
    assert value == nn.BCEWithLogitsLoss()(OUTPUT.squeeze(-1), TWO.double()).item()
    assert value == pytest.approx(nn.BCELoss()(p, TWO.double()).item(), rel=ROUNDING, abs=0)
    assert value == pytest.approx(log_loss(TWO.numpy(), p.numpy()), rel=ROUNDING, abs=0)
    y = TWO.double()
    printed = (y * p.log() - (1 - y) * (1 - p).log()).mean().item()
    right = (-y * p.log() - (1 - y) * (1 - p).log()).mean().item()
    assert value == pytest.approx(right, rel=ROUNDING, abs=0)
    assert abs(value - printed) > 0.1
    # for y = 1 the slide's is least at p = 0 instead of at p = y
    grid = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    assert grid[(1.0 * grid.log()).argmin()] == grid[0]
    ones = torch.ones(1, dtype=torch.int64)
    assert torch.stack([BCE().value(z.view(1, 1), ones) for z in grid.logit()]).argmin() == 98


def test_bce_is_cross_entropy_of_the_scores_0_and_z() -> None:
    both = torch.cat([torch.zeros_like(OUTPUT), OUTPUT], dim=1)
    expected = CrossEntropy().value(both, TWO).item()
    assert BCE().value(OUTPUT, TWO).item() == pytest.approx(expected, rel=ROUNDING, abs=0)


def test_where_a_sigmoid_saturates_the_squared_error_is_flat_and_bce_is_not() -> None:
    # d/dz (s(z) - t)^2 = 2 (s - t) s (1 - s); d/dz of the cross-entropy = s - t
    for z in (-40.0, -10.0, -1.0, 0.0, 3.0):
        for t in (0, 1):
            s = expit(z)
            score, target = torch.tensor([[z]], dtype=torch.float64), torch.tensor([t])
            squared, entropy = slope(SigmoidSquared(), score, target).item(), slope(BCE(), score, target).item()
            assert squared == pytest.approx(2 * (s - t) * s * (1 - s), rel=1e-12, abs=0)
            assert entropy == pytest.approx(s - t, rel=1e-12, abs=0)
    far, one = torch.tensor([[-40.0]], dtype=torch.float64), torch.tensor([1])
    assert abs(slope(SigmoidSquared(), far, one).item()) < 1e-16
    assert slope(BCE(), far, one).item() == -1.0


def test_softmax_squared_of_two_scores_is_twice_sigmoid_squared_of_their_difference() -> None:
    scores = SCORES[:, :2]
    difference = scores[:, 1:] - scores[:, :1]
    expected = 2 * SigmoidSquared().value(difference, TWO).item()
    assert SoftmaxSquared().value(scores, TWO).item() == pytest.approx(expected, rel=ROUNDING, abs=0)
    y = nn.functional.one_hot(CLASSES, 5).double()
    twin = 5 * nn.MSELoss()(SCORES.softmax(-1), y).item()
    assert SoftmaxSquared().value(SCORES, CLASSES).item() == pytest.approx(twin, rel=ROUNDING, abs=0)


@pytest.mark.parametrize("loss", [BCE(), SigmoidSquared(), Perceptron()])
def test_a_loss_of_one_score_wants_two_classes(loss: Loss) -> None:
    assert loss.outputs(2) == 1
    found = {}
    for classes in (None, 10):
        with pytest.raises(ConfigError) as caught:
            loss.outputs(classes)
        found[classes] = str(caught.value)
    assert found == {
        None: f"loss={loss.name} is refused\n"
        "  allowed: targets in two classes; the targets of this data set are numbers\n"
        "  do this: choose loss=mse, or a data set with two classes",
        10: f"loss={loss.name} is refused\n"
        "  allowed: targets in two classes; the targets of this data set are 10 classes\n"
        "  do this: choose loss=cross_entropy, or a data set with two classes",
    }
    measured = loss.measure(torch.tensor([[2.0], [-1.0], [0.0], [5.0]]), torch.tensor([1, 1, 0, 1]))
    assert measured["accuracy"].item() == 0.75


# The perceptron


def separable() -> tuple[Tensor, Tensor, float]:
    """Points [60, 3] with a 1 for the bias, their classes, and (R / gamma)^2 of a plane that separates them."""
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    w = torch.tensor([0.8, -0.6, 0.1], dtype=torch.float64)
    x = torch.cat([x, torch.ones(300, 1, dtype=torch.float64)], dim=1)
    side = x @ w
    x, side = x[side.abs() > 0.2][:60], side[side.abs() > 0.2][:60]
    gamma, radius = side.abs().min() / w.norm(), x.norm(dim=1).max()
    return x, (side > 0).long(), (radius / gamma).item() ** 2


def rosenblatt(x: Tensor, y: Tensor, passes: int) -> tuple[Tensor, int]:
    """SGD with lr 1 and batches of one from w = 0 on the perceptron loss: (w, mistakes)."""
    w, mistakes = torch.zeros(3, dtype=torch.float64), 0
    for _ in range(passes):
        for one, its in zip(x, y, strict=True):
            asked = w.clone().requires_grad_()
            (g,) = torch.autograd.grad(Perceptron().value((one @ asked).view(1, 1), its.view(1)), asked)
            mistakes += bool(g.any())
            w = w - g
    return w, mistakes


def test_sgd_with_lr_1_is_the_perceptron_of_scikit_learn() -> None:
    x, y, _ = separable()
    ours, _ = rosenblatt(x, y, passes=3)
    twin = Rosenblatt(shuffle=False, max_iter=3, tol=None, fit_intercept=False).fit(x.numpy(), y.numpy())
    assert ours.tolist() == twin.coef_[0].tolist()


def test_the_perceptron_makes_no_more_mistakes_than_novikoff_allows_and_then_none() -> None:
    x, y, bound = separable()
    w, mistakes = rosenblatt(x, y, passes=200)
    assert 0 < mistakes <= bound
    assert ((x @ w > 0) == y.bool()).all()


def test_a_score_of_0_is_a_mistake_so_that_zeros_can_be_left() -> None:
    assert slope(Perceptron(), torch.zeros(2, 1), torch.tensor([0, 1])).flatten().tolist() == [0.5, -0.5]
    assert slope(Perceptron(), torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1])).flatten().tolist() == [0.0, 0.0]


# Distances between distributions


def test_kl_is_that_of_torch_and_of_scipy() -> None:
    loss = KL(eps_deck=0.04)
    q, p = loss.wanted(CLASSES, SCORES), SCORES.softmax(-1)
    value = loss.value(SCORES, CLASSES).item()
    distributions = torch.distributions
    twin = distributions.kl_divergence(distributions.Categorical(q), distributions.Categorical(p)).mean().item()
    # Categorical clamps and normalizes probabilities anew
    assert value == pytest.approx(twin, rel=1e-12, abs=0)
    assert value == pytest.approx(np.mean(stats.entropy(q.numpy(), p.numpy(), axis=1)), rel=1e-13, abs=0)


def test_kl_is_cross_entropy_without_the_entropy_of_the_target() -> None:
    assert KL().value(SCORES, CLASSES).item() == pytest.approx(
        CrossEntropy().value(SCORES, CLASSES).item(), rel=ROUNDING, abs=0
    )
    smooth = {"label_smoothing": 0.2}
    q = KL(**smooth).wanted(CLASSES, SCORES)
    entropy = -(q * q.log()).sum(-1).mean().item()
    difference = CrossEntropy(**smooth).value(SCORES, CLASSES) - KL(**smooth).value(SCORES, CLASSES)
    assert difference.item() == pytest.approx(entropy, rel=1e-13, abs=0)
    torch.testing.assert_close(
        slope(KL(**smooth), SCORES, CLASSES), slope(CrossEntropy(**smooth), SCORES, CLASSES), rtol=0, atol=1e-16
    )
    assert KL(**smooth).value(q.log(), CLASSES).item() == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_wasserstein_is_that_of_scipy(smoothing: float) -> None:
    loss = Wasserstein(label_smoothing=smoothing)
    q, p = loss.wanted(CLASSES, SCORES).numpy(), SCORES.softmax(-1).numpy()
    places = np.arange(5)
    twin = np.mean([stats.wasserstein_distance(places, places, a, b) for a, b in zip(p, q, strict=True)])
    assert loss.value(SCORES, CLASSES).item() == pytest.approx(twin, rel=1e-13, abs=0)


def test_to_one_class_the_work_is_the_mean_distance() -> None:
    p, places = SCORES.softmax(-1), torch.arange(5)
    expected = (p * (places - CLASSES[:, None]).abs()).sum(-1).mean().item()
    assert Wasserstein().value(SCORES, CLASSES).item() == pytest.approx(expected, rel=1e-13, abs=0)


def transport(p: np.ndarray, q: np.ndarray, cost: np.ndarray) -> float:
    """The least cost over all plans, by linear programming."""
    m = len(p)
    margins = np.vstack([np.kron(np.eye(m), np.ones(m)), np.kron(np.ones(m), np.eye(m))])
    found = linprog(cost.ravel(), A_eq=margins, b_eq=np.concatenate([p, q]), method="highs")
    return float(found.fun)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_with_a_small_blur_sinkhorn_is_the_least_cost_of_a_plan(power: float) -> None:
    loss = Sinkhorn(blur=0.01, iterations=3000, power=power, label_smoothing=0.3)
    scores, classes = SCORES[:4] / 3, CLASSES[:4]
    q, p = loss.wanted(classes, scores).numpy(), scores.softmax(-1).numpy()
    places = np.arange(5)
    cost = np.abs(places[:, None] - places) ** power
    expected = np.mean([transport(a, b, cost) for a, b in zip(p, q, strict=True)])
    # the entropy of a plan is at most log 25, times blur; it enters once and leaves half twice
    assert loss.value(scores, classes).item() == pytest.approx(expected, abs=0.01 * math.log(25))
    if power == 1.0:
        line = Wasserstein(label_smoothing=0.3).value(scores, classes).item()
        assert line == pytest.approx(expected, rel=1e-9, abs=0)  # the program's own tolerance


def scaled(p: np.ndarray, q: np.ndarray, cost: np.ndarray, blur: float) -> float:
    """T(p, q) as it is defined, with the plan from 5,000 rounds of scaling rows and columns."""
    kernel = np.exp(-cost / blur)
    u = v = np.ones(len(p))
    for _ in range(5000):
        u = 1 / (kernel @ (q * v))
        v = 1 / (kernel.T @ (p * u))
    plan = (p * u)[:, None] * kernel * (q * v)
    return float((plan * (cost + blur * np.log(plan / np.outer(p, q)))).sum())


def test_sinkhorn_is_its_definition() -> None:
    loss = Sinkhorn(blur=0.5, iterations=1000, label_smoothing=0.3)
    scores, classes = SCORES[:6] / 3, CLASSES[:6]
    places = np.arange(5)
    cost = np.abs(places[:, None] - places).astype(float)
    naive = [
        scaled(p, q, cost, 0.5) - scaled(p, p, cost, 0.5) / 2 - scaled(q, q, cost, 0.5) / 2
        for p, q in zip(scores.softmax(-1).numpy(), loss.wanted(classes, scores).numpy(), strict=True)
    ]
    # both have converged; a difference of numbers near 1
    assert loss.value(scores, classes).item() == pytest.approx(np.mean(naive), rel=1e-11, abs=0)
    few = Sinkhorn(blur=0.5, iterations=20, label_smoothing=0.3).value(scores, classes).item()
    assert few == pytest.approx(np.mean(naive), rel=1e-3)  # the default number of rounds, at half the default blur


def test_sinkhorn_is_0_at_the_target_and_above_0_elsewhere() -> None:
    loss = Sinkhorn(label_smoothing=0.3)
    q = loss.wanted(CLASSES, SCORES)
    assert loss.value(q.log(), CLASSES).item() == pytest.approx(0.0, abs=1e-14)
    assert slope(loss, q.log(), CLASSES).abs().max().item() < 1e-3  # of rounds that have not quite converged
    for row in range(40):
        assert loss.value(SCORES[row : row + 1], CLASSES[row : row + 1]) > 0


def test_a_near_miss_costs_less_than_a_far_one_where_classes_are_ordered() -> None:
    near, far = (torch.eye(5)[[k]] * 20 for k in (1, 4))
    zero = torch.tensor([0])
    for loss in (Wasserstein(), Sinkhorn()):
        assert loss.value(near, zero) < loss.value(far, zero)
    assert CrossEntropy().value(near, zero) == CrossEntropy().value(far, zero)


# Not to be trained


def test_zero_one_is_the_share_of_mistakes_and_refuses_training() -> None:
    value = ZeroOne().value(SCORES, CLASSES).item()
    assert value == pytest.approx(1 - accuracy_score(CLASSES, SCORES.argmax(-1)), rel=1e-15)
    assert ZeroOne().value(SCORES + 1e-9, CLASSES).item() == value  # a plateau
    with pytest.raises(ConfigError) as caught:
        ZeroOne().refuse_training()
    assert str(caught.value) == (
        "loss=zero_one is refused\n"
        "  allowed: a loss with a gradient; that of the share of mistakes is 0 almost everywhere\n"
        "  do this: choose loss=cross_entropy, and read the share of mistakes as 1 - accuracy"
    )


# A sum instead of a mean


@pytest.mark.parametrize("n", [5, 40])
def test_steps_of_a_sum_with_lr_over_n_are_those_of_a_mean_with_lr(n: int) -> None:
    def trained(reduction: str, lr: float) -> Tensor:
        torch.manual_seed(0)
        module = nn.Linear(5, 5).double()
        loss = CrossEntropy(reduction=reduction)  # type: ignore[arg-type]
        asked = Objective(module, loss.value, *adopt(module), summed=loss.summed)
        asked.on(SCORES[:n], CLASSES[:n])
        for _ in range(100):
            _, g = asked.value_and_grad(asked.theta)
            asked.theta.add_(g, alpha=-lr)
        return asked.theta

    # lr/n * (n g) rounds otherwise than lr * g: 100 steps of 1e-16
    torch.testing.assert_close(trained("sum", 0.3 / n), trained("mean", 0.3), rtol=0, atol=1e-13)


def test_a_short_last_batch_weighs_less_in_an_epoch_of_sums() -> None:
    # Batches of 4 and of 1 at one theta: means add up to (g_1 + .. + g_4)/4 + g_5, sums to g_1 + .. + g_5.
    module = nn.Linear(5, 5).double()
    theta, layout = adopt(module)
    found = {}
    for reduction in ("mean", "sum"):
        loss = CrossEntropy(reduction=reduction)
        asked = Objective(module, loss.value, theta, layout, summed=loss.summed)
        found[reduction] = torch.zeros_like(theta)
        for rows in (slice(0, 4), slice(4, 5)):
            asked.on(SCORES[rows], CLASSES[rows])
            found[reduction] += asked.value_and_grad(theta)[1]
    singles = []
    for row in range(5):
        asked = Objective(module, CrossEntropy().value, theta, layout)
        asked.on(SCORES[row : row + 1], CLASSES[row : row + 1])
        singles.append(asked.value_and_grad(theta)[1].clone())
    torch.testing.assert_close(found["sum"], sum(singles), rtol=0, atol=1e-14)
    torch.testing.assert_close(found["mean"], sum(singles[:4]) / 4 + singles[4], rtol=0, atol=1e-14)
