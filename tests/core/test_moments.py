"""Layers that normalize by moments over many examples."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from runner.architecture.normalization.batch import BatchNorm
from runner.core.errors import Diverged
from runner.core.objective import Objective
from runner.core.theta import adopt


def examples(*shape: int, seed: int = 0) -> Tensor:
    numbers = torch.Generator().manual_seed(seed)
    return 3 + 2 * torch.randn(*shape, generator=numbers, dtype=torch.float64)


def layer(channels: int = 3, momentum: float = 0.1, exact: bool = False) -> BatchNorm:
    return BatchNorm(channels, momentum, 1e-5, exact).double().train()


def net(exact: bool = False) -> nn.Sequential:
    """Two layers with statistics: the inputs of the second depend on those of the first."""
    torch.manual_seed(0)
    parts = [nn.Linear(4, 5), layer(5, exact=exact), nn.Tanh(), nn.Linear(5, 3), layer(3, exact=exact)]
    return nn.Sequential(*parts).double().train()


def objective(module: nn.Module) -> Objective:
    return Objective(module, lambda output, y: (output - 1).square().mean(), *adopt(module))


def stats(module: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in module.named_buffers() if "latest" not in name}


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 2, 5)], ids=["vectors", "images"])
def test_it_is_torch_s_batch_norm_over_100_mini_batches(shape: tuple[int, ...]) -> None:
    ours = layer()
    theirs = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)](3).double().train()
    for seed in range(100):
        x, y = (examples(*shape, seed=seed).requires_grad_() for _ in range(2))
        for module, given in ((ours, x), (theirs, y)):
            module(given).sin().sum().backward()
        ours.keep()
        torch.testing.assert_close(x.grad, y.grad, rtol=1e-12, atol=1e-14)
    theirs_mean, theirs_var = theirs.running_mean, theirs.running_var
    assert theirs_mean is not None
    assert theirs_var is not None
    torch.testing.assert_close(ours.mean, theirs_mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(ours.var, theirs_var, rtol=1e-12, atol=0)
    x = examples(*shape, seed=1000)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-12, atol=1e-14)


def test_it_normalizes_with_divisor_n_and_keeps_the_variance_with_divisor_n_minus_1() -> None:
    # x = 1, 2, 3, 6: mean 3, squared deviations 4 + 1 + 0 + 9 = 14; 14/4 = 3.5 and 14/3 = 4.667.
    x = torch.tensor([[1.0], [2.0], [3.0], [6.0]], dtype=torch.float64)
    module = layer(1)
    z = module(x)
    torch.testing.assert_close(z, (x - 3) / math.sqrt(3.5 + 1e-5), rtol=1e-14, atol=1e-15)
    module.keep()
    # 0.9 of the old, mean 0 and variance 1, and 0.1 of the new: the momentum is the share of the NEW
    assert module.mean.item() == pytest.approx(0.1 * 3, rel=1e-14)
    assert module.var.item() == pytest.approx(0.9 + 0.1 * 14 / 3, rel=1e-14)


def test_the_kept_variance_is_that_of_a_mini_batch_times_b_over_b_minus_1() -> None:
    x, module = examples(6, 3), layer(momentum=1.0)
    module(x)
    module.keep()
    torch.testing.assert_close(module.var, x.var(0, correction=0) * 6 / 5, rtol=1e-14, atol=0)


def test_scale_and_shift_can_give_the_input_back() -> None:
    x, module = examples(8, 3), layer()
    with torch.no_grad():
        module.weight.copy_((x.var(0, correction=0) + module.eps).sqrt())
        module.bias.copy_(x.mean(0))
    torch.testing.assert_close(module(x), x, rtol=1e-13, atol=0)


def test_a_forward_pass_by_itself_keeps_nothing() -> None:
    module = layer()
    before = stats(module)
    module(examples(8, 3))
    assert all(torch.equal(before[name], now) for name, now in stats(module).items())


def test_the_objective_keeps_once_for_each_mini_batch_however_often_it_is_asked() -> None:
    x = examples(8, 4)
    asked, other = objective(net()), objective(net())
    for one in (asked, other):
        one.on(x, x)
    other.value(other.theta)
    assert all((b == {"mean": 0, "var": 1}[n.split(".")[1]]).all() for n, b in stats(other.module).items())
    asked.value_and_grad(asked.theta)
    other.value_and_grad(other.theta)
    other.value_and_grad(other.theta + 0.1)
    other.value(other.theta + 1)
    for name, kept in stats(asked.module).items():
        assert torch.equal(stats(other.module)[name], kept)
    other.on(x, x)
    other.value_and_grad(other.theta)
    assert not torch.equal(other.buffers["1.mean"], asked.buffers["1.mean"])


def test_divergence_leaves_what_was_kept() -> None:
    asked = objective(net())
    before = stats(asked.module)
    x = examples(8, 4)
    x[0, 0] = math.nan
    asked.on(x, x)
    with pytest.raises(Diverged):
        asked.value_and_grad(asked.theta)
    for name, now in stats(asked.module).items():
        assert torch.equal(before[name], now)


def test_a_mini_batch_of_one_example_is_normalized_by_what_is_kept_and_changes_nothing() -> None:
    asked = objective(net())
    asked.on(examples(8, 4), examples(8, 4))
    asked.value_and_grad(asked.theta)
    before = stats(asked.module)
    one = examples(1, 4, seed=3)
    asked.on(one, one)
    asked.value_and_grad(asked.theta)
    for name, now in stats(asked.module).items():
        torch.testing.assert_close(before[name], now, rtol=1e-15, atol=0)  # b + 0.1 (b - b)
    in_training = asked.output
    with asked.evaluation(asked.theta) as network:
        torch.testing.assert_close(network(one), in_training, rtol=1e-13, atol=1e-15)


def test_exact_moments_are_those_of_all_inputs_with_divisor_n_whatever_the_parts() -> None:
    x, module = examples(50, 3), layer(exact=True)
    asked = objective(module)
    asked.refit(asked.theta, torch.split(x, 7))
    torch.testing.assert_close(module.mean, x.mean(0), rtol=1e-13, atol=0)
    torch.testing.assert_close(module.var, x.var(0, correction=0), rtol=1e-13, atol=0)


def test_exact_moments_of_a_deep_net_are_those_of_one_mini_batch_of_all_examples() -> None:
    x, module = examples(50, 4), net(exact=True)
    asked = objective(module)
    asked.refit(asked.theta, torch.split(x, 16))
    in_training = module.train()(x)
    with asked.evaluation(asked.theta) as network:
        torch.testing.assert_close(network(x), in_training, rtol=1e-11, atol=1e-12)


def test_exact_moments_are_those_at_the_parameters_that_are_judged() -> None:
    x, module = examples(50, 4), net(exact=True)
    asked = objective(module)
    kept = asked.theta.clone()
    asked.refit(kept + 0.1, [x])
    assert torch.equal(asked.theta, kept)
    moved = objective(net(exact=True))
    moved.theta.add_(0.1)
    moved.refit(moved.theta, [x])
    for name, now in stats(module).items():
        assert torch.equal(now, stats(moved.module)[name])


def test_exact_moments_are_not_the_mean_of_the_variances_within_mini_batches() -> None:
    # torch's update_bn with momentum None averages the variances of the parts, without that between their means.
    x, module = examples(40, 3).sort(0).values, layer(exact=True)
    objective(module).refit(torch.cat([module.weight, module.bias]).detach(), torch.split(x, 10))
    averaged = nn.BatchNorm1d(3, momentum=None).double()
    torch.optim.swa_utils.update_bn(torch.split(x, 10), averaged)
    assert averaged.running_var is not None
    assert (averaged.running_var < 0.5 * module.var).all()


def test_training_does_not_touch_exact_moments() -> None:
    asked = objective(net(exact=True))
    before = stats(asked.module)
    asked.on(examples(8, 4), examples(8, 4))
    asked.value_and_grad(asked.theta)
    for name, now in stats(asked.module).items():
        assert torch.equal(before[name], now)


def test_without_an_exact_layer_a_refit_asks_nothing() -> None:
    asked = objective(net())
    before = stats(asked.module)

    class Untouchable(list[Tensor]):
        def __iter__(self) -> None:  # type: ignore[override]
            raise AssertionError

    asked.refit(asked.theta, Untouchable())
    for name, now in stats(asked.module).items():
        assert torch.equal(before[name], now)


def test_a_refit_that_raises_leaves_the_layer_as_it_was() -> None:
    module = layer(exact=True)
    asked = objective(module)
    before = stats(module)
    with pytest.raises(RuntimeError):
        asked.refit(asked.theta, [examples(5, 3), examples(5, 2)])
    for name, now in stats(module).items():
        assert torch.equal(before[name], now)
    assert module.training
    module.eval()(examples(5, 3))
    assert torch.equal(stats(module)["mean"], before["mean"])


def test_an_evaluation_can_use_other_buffers_and_gives_the_present_ones_back() -> None:
    module = net()
    asked = objective(module)
    x = examples(8, 4)
    asked.on(x, x)
    kept = {name: buffer.clone() for name, buffer in asked.buffers.items()}
    with asked.evaluation(asked.theta) as network:
        before = network(x)
    asked.value_and_grad(asked.theta)
    now = {name: buffer.clone() for name, buffer in asked.buffers.items()}
    with asked.evaluation(asked.theta) as network:
        assert not torch.equal(network(x), before)
    with asked.evaluation(asked.theta, kept) as network:
        assert torch.equal(network(x), before)
    assert all(torch.equal(asked.buffers[name], buffer) for name, buffer in now.items())


def test_the_gradient_goes_through_the_moments_of_the_mini_batch() -> None:
    x = examples(6, 3).requires_grad_()
    module = layer()
    assert torch.autograd.gradcheck(lambda given: module(given), (x,))
    # a shift of a whole channel is taken away again: the gradient over a channel adds up to 0
    (g,) = torch.autograd.grad(module(x).pow(3).sum(), x)
    torch.testing.assert_close(g.sum(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)
    assert torch.autograd.gradgradcheck(lambda given: module(given), (x,))
