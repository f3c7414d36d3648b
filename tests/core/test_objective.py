"""The loss on the current mini-batch as a function of theta."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.core.errors import Diverged
from runner.core.noise import Dropout
from runner.core.objective import Counts, Objective
from runner.core.streams import stream
from runner.core.theta import Layout, adopt

X = torch.linspace(-2, 2, 24, dtype=torch.float64).sin().view(6, 4)
Y = torch.tensor([0, 1, 2, 0, 1, 2])


def net(rate: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), Dropout(5, rate), nn.Linear(5, 3)).double().train()


def objective(module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy) -> Objective:
    made = Objective(module, loss, *adopt(module))
    made.on(X, Y, stream(0, "noise", 1))
    return made


def by_hand(module: nn.Module) -> tuple[float, Tensor]:
    """Loss and gradient as one vector, as torch's user takes them."""
    loss = F.cross_entropy(module(X), Y)
    return loss.item(), torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, list(module.parameters()))])


def test_value_and_gradient_are_those_of_an_untouched_copy() -> None:
    module = net()
    value, g = by_hand(copy.deepcopy(module))
    asked = objective(module)
    found, found_g = asked.value_and_grad(asked.theta)
    # the same kernels on the same numbers; one parameter starts at another address: 1e-15 of rounding at most
    assert found == pytest.approx(value, rel=1e-15, abs=0)
    torch.testing.assert_close(found_g, g, rtol=1e-14, atol=1e-17)
    assert asked.value(asked.theta) == found


def test_at_another_theta_value_and_gradient_are_those_of_a_copy_that_was_moved_there() -> None:
    module = net()
    asked = objective(module)
    other = asked.theta + 0.1
    moved = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter += 0.1
    value, g = by_hand(moved)
    found, found_g = asked.value_and_grad(other)
    assert found == pytest.approx(value, rel=1e-15, abs=0)
    torch.testing.assert_close(found_g, g, rtol=1e-14, atol=1e-17)
    assert asked.value(other) == found


def test_the_gradient_is_the_slope_of_the_value() -> None:
    asked = objective(net(0.5))
    _, g = asked.value_and_grad(asked.theta)
    direction = torch.linspace(-1, 1, len(g), dtype=torch.float64)
    h = 1e-5  # a central difference errs by h^2 L'''/6 + eps/h, here both about 1e-11
    slope = (asked.value(asked.theta + h * direction) - asked.value(asked.theta - h * direction)) / (2 * h)
    assert slope == pytest.approx((g @ direction).item(), abs=1e-9)


def test_asking_elsewhere_leaves_theta_as_it_was() -> None:
    asked = objective(net())
    kept = asked.theta.clone()
    asked.value(kept + 1)
    asked.value_and_grad(kept + 1)
    with asked.evaluation(kept + 1):
        assert not torch.equal(asked.theta, kept)
    assert torch.equal(asked.theta, kept)


def test_asking_elsewhere_leaves_theta_as_it_was_when_the_loss_raises() -> None:
    def broken(output: Tensor, target: Tensor) -> Tensor:
        raise RuntimeError("no loss today")

    asked = objective(net(), broken)
    kept = asked.theta.clone()
    for ask in (asked.value, asked.value_and_grad):
        with pytest.raises(RuntimeError, match="no loss today"):
            ask(kept + 1)
        assert torch.equal(asked.theta, kept)


def test_what_was_asked_is_counted() -> None:
    asked = objective(net())
    assert asked.counts == Counts(0, 0)
    asked.value(asked.theta)
    asked.value(asked.theta + 1)
    assert asked.counts == Counts(12, 0)
    asked.value_and_grad(asked.theta)
    asked.value_and_grad(asked.theta + 1)
    assert asked.counts == Counts(24, 12)
    with asked.evaluation(asked.theta) as network:
        network(X)
    assert asked.counts == Counts(24, 12)  # judging is not part of the method


def nan_loss(output: Tensor, target: Tensor) -> Tensor:
    return output.sum() * math.nan


def nan_loss_with_a_gradient(output: Tensor, target: Tensor) -> Tensor:
    return output.sum() + (output * math.nan).detach().sum()


def infinite_gradient(output: Tensor, target: Tensor) -> Tensor:
    return (output - output.detach()).sum() * 1e200 * 1e200  # 0 with slope 1e400


def infinite_norm(output: Tensor, target: Tensor) -> Tensor:
    return output.sum() * 1e200  # loss and gradient are finite, the squares in the norm are not


@pytest.mark.parametrize("loss", [nan_loss, nan_loss_with_a_gradient, infinite_gradient, infinite_norm])
@pytest.mark.parametrize("shift", [None, 0.1])
def test_divergence_is_raised_before_anything_was_changed(
    loss: Callable[[Tensor, Tensor], Tensor], shift: float | None
) -> None:
    asked = objective(net(), loss)
    kept = asked.theta.clone()
    theta = asked.theta if shift is None else asked.theta + shift
    with pytest.raises(Diverged) as caught:
        asked.value_and_grad(theta)
    assert not (math.isfinite(caught.value.loss) and math.isfinite(caught.value.norm))
    assert torch.equal(asked.theta, kept)
    assert asked.counts == Counts(6, 6)


def test_divergence_tells_the_loss_and_the_norm_of_the_gradient() -> None:
    with pytest.raises(Diverged, match=r"^the training loss is nan and the norm of its gradient nan$"):
        (asked := objective(net(), nan_loss)).value_and_grad(asked.theta)
    with pytest.raises(Diverged, match=r"^the training loss is 0\.0 and the norm of its gradient nan$"):
        (asked := objective(net(), infinite_gradient)).value_and_grad(asked.theta)
    with pytest.raises(Diverged, match=r"^the training loss is .*e\+199 and the norm of its gradient inf$"):
        (asked := objective(net(), infinite_norm)).value_and_grad(asked.theta)


def test_a_value_that_is_not_finite_is_an_answer() -> None:
    asked = objective(net(), nan_loss)
    assert math.isnan(asked.value(asked.theta))


def test_between_two_batches_the_noise_stays_and_the_same_theta_gives_the_same_numbers() -> None:
    asked = objective(net(0.5))
    first, g = asked.value_and_grad(asked.theta)
    g = g.clone()
    asked.value_and_grad(asked.theta + 1)
    again, g_again = asked.value_and_grad(asked.theta)
    assert again == first
    assert torch.equal(g_again, g)
    assert asked.value(asked.theta) == first
    assert asked.value(asked.theta.clone()) == first


def test_a_new_batch_has_new_noise_and_the_same_stream_the_same() -> None:
    asked, noise = objective(net(0.5)), stream(0, "noise", 1)
    values = []
    for _ in range(3):
        asked.on(X, Y, noise)
        values.append(asked.value(asked.theta))
    assert len(set(values)) == 3
    asked.on(X, Y, stream(0, "noise", 1))
    assert asked.value(asked.theta) == values[0]


def test_without_a_stream_there_is_no_noise() -> None:
    asked, plain = objective(net(0.5)), objective(net(0.0))
    asked.on(X, Y)
    assert asked.value(asked.theta) == plain.value(plain.theta)


def test_the_first_gradient_on_a_batch_gives_the_loss_the_norm_and_the_outputs_of_its_row() -> None:
    asked = objective(net())
    assert math.isnan(asked.first[0])
    assert asked.output.numel() == 0
    value, g = asked.value_and_grad(asked.theta)
    norm, output = g.norm().item(), asked.output.clone()
    assert asked.first == (value, norm)
    assert torch.equal(output, asked._forward(X))
    assert not asked.output.requires_grad
    asked.value_and_grad(asked.theta + 1)
    asked.value(asked.theta + 2)
    assert asked.first == (value, norm)
    assert torch.equal(asked.output, output)


def test_the_next_batch_has_a_first_gradient_of_its_own() -> None:
    asked = objective(net())
    asked.value_and_grad(asked.theta)
    before = asked.first
    asked.on(X[:2], Y[:2])
    asked.value(asked.theta)
    assert asked.first == before  # a value alone is not a gradient
    value, _ = asked.value_and_grad(asked.theta)
    assert asked.first[0] == value != before[0]
    assert asked.output.shape == (2, 3)


def test_an_evaluation_has_dropout_off_and_no_history_and_gives_the_mode_back() -> None:
    module = net(0.5)
    asked, plain = objective(module), objective(net(0.0))
    with asked.evaluation(asked.theta) as network:
        output = network(X)
        assert not output.requires_grad
        assert torch.equal(output, plain._forward(X))
    assert module.training
    assert all(part.training for part in module.modules())
    assert not torch.equal(asked._forward(X), plain._forward(X))  # dropout is on again


def test_an_evaluation_in_evaluation_mode_stays_there() -> None:
    module = net()
    asked = objective(module)
    module.eval()
    with asked.evaluation(asked.theta):
        pass
    assert not module.training


def test_an_evaluation_that_raises_gives_mode_and_theta_back() -> None:
    module = net()
    asked = objective(module)
    kept = asked.theta.clone()
    with pytest.raises(KeyError), asked.evaluation(kept + 1):
        raise KeyError
    assert module.training
    assert torch.equal(asked.theta, kept)


def test_an_evaluation_leaves_the_noise_of_the_batch() -> None:
    asked = objective(net(0.5))
    before = asked.value(asked.theta)
    with asked.evaluation(asked.theta) as network:
        network(X[:3])
    assert asked.value(asked.theta) == before


def test_a_weight_that_is_used_twice_has_the_sum_of_both_gradients() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4, bias=False)
            self.b = nn.Linear(4, 4, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.b(self.a(x))
            return out

    # L = sum_i 1' W W x_i with s = sum_i x_i:  dL/dW = (W' 1) s' + 1 (W s)'
    torch.manual_seed(0)
    module = Twice().double()
    asked = objective(module, lambda output, target: output.sum())
    w, one, s = module.a.weight.detach().clone(), torch.ones(4, dtype=torch.float64), X.sum(0)
    _, g = asked.value_and_grad(asked.theta)
    expected = torch.outer(w.T @ one, s) + torch.outer(one, w @ s)
    torch.testing.assert_close(g.view(4, 4), expected, rtol=1e-13, atol=1e-15)  # sums of 24 products


class Bowl:
    """Omega(theta) = 1/2 ||theta||^2, and how often it was asked."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.asked = 0

    def value(self, theta: Tensor, layout: Layout) -> Tensor:
        return self.factor * theta.square().sum(-1) / 2

    def value_and_grad(self, theta: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        self.asked += 1
        return self.value(theta, layout), self.factor * theta


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_what_is_descended_is_the_mean_or_the_sum_plus_the_undivided_penalty(summed: bool, shift: float) -> None:
    plain, module = objective(net()), net()
    asked = Objective(module, F.cross_entropy, *adopt(module), summed=summed, penalty=Bowl())
    asked.on(X, Y, stream(0, "noise", 1))
    at = asked.theta if shift == 0 else asked.theta + shift
    mean, g = plain.value_and_grad(plain.theta if shift == 0 else plain.theta + shift)
    times = len(Y) if summed else 1
    value, found = asked.value_and_grad(at)
    assert value == pytest.approx(times * mean + at.square().sum().item() / 2, rel=1e-15, abs=0)
    torch.testing.assert_close(found, times * g + at, rtol=1e-14, atol=1e-17)
    assert asked.value(at) == pytest.approx(value, rel=1e-15, abs=0)
    assert asked.first == (mean, found.norm().item())


def test_the_first_gradient_on_a_batch_gives_the_mean_loss_of_the_data_alone() -> None:
    module = net()
    asked = Objective(module, F.cross_entropy, *adopt(module), summed=True, penalty=Bowl())
    asked.on(X, Y)
    value, _ = asked.value_and_grad(asked.theta)
    assert asked.first[0] == by_hand(net())[0] < value


def test_a_penalty_is_asked_once_for_each_gradient() -> None:
    module, bowl = net(), Bowl()
    asked = Objective(module, F.cross_entropy, *adopt(module), penalty=bowl)
    asked.on(X, Y)
    for _ in range(3):
        asked.value_and_grad(asked.theta)
    assert bowl.asked == 3


def test_a_penalty_that_is_not_finite_is_divergence_and_a_loss_that_is_finite_is_told_without_it() -> None:
    module = net()
    asked = Objective(module, F.cross_entropy, *adopt(module), penalty=Bowl(math.inf))
    asked.on(X, Y)
    with pytest.raises(Diverged, match=r"^the training loss is inf and the norm of its gradient inf$"):
        asked.value_and_grad(asked.theta)
    module = net()
    asked = Objective(module, infinite_gradient, *adopt(module), summed=True, penalty=Bowl())
    asked.on(X, Y)
    with pytest.raises(Diverged, match=r"^the training loss is 0\.0 and the norm of its gradient nan$"):
        asked.value_and_grad(asked.theta)


@pytest.mark.parametrize("summed", [False, True])
def test_the_norm_of_the_gradient_over_all_examples_is_that_of_what_is_descended(summed: bool) -> None:
    module = net()
    asked = Objective(module, F.cross_entropy, *adopt(module), summed=summed, penalty=Bowl())
    asked.on(X, Y)
    _, g = asked.value_and_grad(asked.theta)
    # the same sum in parts of four and two examples: a few last bits
    assert asked.norm_of_all(
        asked.theta, zip(torch.split(X, 4), torch.split(Y, 4), strict=True), len(Y)
    ) == pytest.approx(g.norm().item(), rel=1e-14)
