"""K losses as functions of K rows of parameters: each row is the objective of a run alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.architecture.normalization.batch import BatchNorm
from runner.core.errors import Diverged
from runner.core.noise import Dropout
from runner.core.objective import Objective
from runner.core.places import Places
from runner.core.rows import Alike, Rows, RowsDiverged, alike, put_together
from runner.core.streams import stream
from runner.core.theta import adopt
from runner.loss.cross_entropy import CrossEntropy
from runner.regularizer.l2 import L2

K, B, IN, OUT = 3, 6, 4, 3
NUMBERS = torch.Generator().manual_seed(0)
X = torch.randn(K, B, IN, generator=NUMBERS, dtype=torch.float64)
Y = torch.randint(OUT, (K, B), generator=NUMBERS)
LOSSES = [CrossEntropy(), CrossEntropy(label_smoothing=0.2), CrossEntropy()]


def network(seed: int, rate: float = 0.0, *, norm: bool = False) -> nn.Module:
    torch.manual_seed(seed)
    middle = [BatchNorm(5, momentum=0.1, eps=1e-5, exact=False)] if norm else []
    return nn.Sequential(nn.Linear(IN, 5), *middle, nn.Tanh(), Dropout(5, rate), nn.Linear(5, OUT)).double().train()


def objectives(losses: Sequence[CrossEntropy] = LOSSES, **given: Any) -> list[Objective]:
    """One for each loss, at a theta of its own; `rate`, `norm` shape the network."""
    shape = {name: given.pop(name) for name in ("rate", "norm") if name in given}
    penalties = given.pop("penalties", [None] * len(losses))
    return [
        Objective(module := network(seed, **shape), loss.value, *adopt(module), penalty=penalty, **given)
        for seed, (loss, penalty) in enumerate(zip(losses, penalties, strict=True))
    ]


def noises(count: int = K) -> list[torch.Generator]:
    return [stream(seed, "noise", 1) for seed in range(count)]


def both(losses: Sequence[CrossEntropy] = LOSSES, **given: Any) -> tuple[list[Objective], Rows, Tensor]:
    """Objectives and the same as rows, on the same mini-batches with the same noise, and their thetas `[K, P]`."""
    singles, made = objectives(losses, **given), objectives(losses, **given)
    rows, count = Rows(made, losses), len(losses)
    for k, (single, noise) in enumerate(zip(singles, noises(count), strict=True)):
        single.on(X[k], Y[k], noise)
    rows.on(X[:count], Y[:count], noises(count))
    return singles, rows, torch.stack([each.theta for each in made])


def close(one: Any, other: Any) -> None:
    # sums of some ten numbers in another order
    ones, others = (torch.as_tensor(each, dtype=torch.float64) for each in (one, other))
    torch.testing.assert_close(ones, others, rtol=1e-13, atol=1e-15)


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"rate": 0.4},
    "batch norm": {"norm": True},
    "batch norm and dropout": {"norm": True, "rate": 0.4},
    "sums": {"summed": True},
    "penalties": {"penalties": [L2(strength=0.1), L2(strength=10.0), L2(strength=0.1)]},
    "a penalty for one": {"penalties": [None, L2(strength=10.0), None], "summed": True},
    "one loss": {"losses": [CrossEntropy()] * 3},
    "one row": {"losses": LOSSES[1:2], "norm": True, "rate": 0.4},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_row_is_the_objective_of_its_run(case: dict[str, Any]) -> None:
    singles, rows, theta = both(**case)
    for away in (0.0, 0.1):  # the first gradient on the mini-batch, and one elsewhere
        values, g = rows.value_and_grad(theta + away)
        assert (values.shape, g.shape) == ((len(singles),), theta.shape)
        for k, single in enumerate(singles):
            value, gradient = single.value_and_grad(single.theta + away)
            close(values[k], value)
            close(g[k], gradient)
            close(torch.stack(rows.first)[:, k], single.first)
            close(rows.output[k], single.output)
            assert not rows.output.requires_grad
            for name, buffer in single.buffers.items():
                close(rows.buffers[name][k], buffer)


def test_statistics_are_kept_once_for_a_mini_batch() -> None:
    _, rows, theta = both(norm=True)
    rows.value_and_grad(theta)
    kept = {name: buffer.clone() for name, buffer in rows.buffers.items() if not name.startswith("1.latest")}
    assert kept["1.mean"].any()
    rows.value_and_grad(theta + 0.1)
    assert all(torch.equal(rows.buffers[name], buffer) for name, buffer in kept.items())
    rows.on(X, Y, noises())
    rows.value_and_grad(theta)
    assert not torch.equal(rows.buffers["1.mean"], kept["1.mean"])


def test_the_theta_that_is_asked_about_and_the_modules_stay_as_they_are() -> None:
    made = objectives(norm=True, rate=0.4)
    before = [each.theta.clone() for each in made]
    places = [[*each.module.parameters(), *each.module.buffers()] for each in made]
    rows = Rows(made, LOSSES)
    rows.on(X, Y, noises())
    theta = torch.stack(before)
    rows.value_and_grad(theta + 1)
    with rows.evaluation(theta) as asked:
        asked(X[0])
    for each, place, kept in zip(made, places, before, strict=True):
        now = [*each.module.parameters(), *each.module.buffers()]
        assert [tensor is old for tensor, old in zip(now, place, strict=True)] == [True] * len(place)
        assert torch.equal(each.theta, kept)
        assert each.module.training


def test_a_row_draws_the_masks_of_its_own_stream() -> None:
    _, rows, theta = both(rate=0.4, losses=LOSSES[:1] * 3)
    rows.on(X[:1].expand(K, B, IN), Y[:1].expand(K, B), [stream(seed, "noise", 1) for seed in (7, 8, 7)])
    values, _ = rows.value_and_grad(theta[:1].expand(K, -1).clone())
    assert values[0] == values[2] != values[1]


@pytest.mark.parametrize(
    ("bad", "number"), [([1], math.inf), ([0, 2], math.nan), ([0, 1, 2], math.inf)], ids=["one", "two", "all"]
)
def test_rows_that_diverge_are_named_before_anything_has_changed(bad: list[int], number: float) -> None:
    singles, rows, theta = both(norm=True)
    theta[bad, -1] = number  # a bias of the last layer
    with pytest.raises(RowsDiverged, match=rf"^rows \{bad}".replace("]", r"\]") + " diverged$") as raised:
        rows.value_and_grad(theta)
    assert list(raised.value.found) == bad
    for k, found in raised.value.found.items():
        with pytest.raises(Diverged) as alone:
            singles[k].value_and_grad(theta[k])
        assert repr(found) == repr((alone.value.loss, alone.value.norm))
    assert not rows.buffers["1.mean"].any()
    assert rows.output.numel() == 0
    left = [k for k in range(K) if k not in bad]
    if left:  # go on with the same mini-batch, which is still fresh
        rest = rows.of(left)
        values, _ = rest.value_and_grad(theta[left])
        for value, k in zip(values, left, strict=True):
            close(value, singles[k].value_and_grad(singles[k].theta)[0])
        assert rest.buffers["1.mean"].any()


def test_a_value_and_a_norm_whose_sum_is_infinite_are_no_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    # The sum of both is looked at first, since it is one question to ask; here it misleads.
    _, rows, theta = both()
    large = torch.full((K,), 1.5e308, dtype=torch.float64)
    monkeypatch.setattr(torch.linalg, "vector_norm", lambda g, dim: large)
    monkeypatch.setattr(rows, "_losses", lambda output, y: output.sum((1, 2)) * 0 + large)
    values, _ = rows.value_and_grad(theta)
    assert torch.equal(values, large)


def test_some_of_the_rows_go_on_with_their_mini_batches_noise_and_first_answers() -> None:
    _, rows, theta = both(norm=True, rate=0.4)
    _, g = rows.value_and_grad(theta)
    some = rows.of([2, 0])
    assert len(some) == 2
    assert torch.equal(some.output, rows.output[[2, 0]])
    assert torch.equal(torch.stack(some.first), torch.stack(rows.first)[:, [2, 0]])
    _, again = some.value_and_grad(theta[[2, 0]])
    close(again, g[[2, 0]])
    assert torch.equal(some.buffers["1.mean"], rows.buffers["1.mean"][[2, 0]])  # not kept twice
    some.buffers["1.mean"].zero_()
    assert rows.buffers["1.mean"].any()


@pytest.mark.parametrize("count", [1, 3])
def test_in_use_dropout_is_off_and_the_kept_statistics_count(count: int) -> None:
    singles, rows, theta = both(norm=True, rate=0.4, losses=LOSSES[:count])
    rows.value_and_grad(theta)
    before = {name: buffer.clone() for name, buffer in rows.buffers.items()}
    with rows.evaluation(theta + 0.1) as asked:
        found = asked(X[0])
    judged = rows.judge(found, Y[0].expand(count, B))
    for k, single in enumerate(singles):
        single.value_and_grad(single.theta)
        with single.evaluation(single.theta + 0.1) as network:
            output = network(X[0])
        close(found[k], output)
        close(judged["loss"][k], LOSSES[k].value(output, Y[0]))
        assert judged["accuracy"][k] == LOSSES[k].measure(output, Y[0])["accuracy"]
    assert all(torch.equal(rows.buffers[name], buffer) for name, buffer in before.items())


def test_a_single_row_has_the_bits_that_it_has_in_company() -> None:
    # Widths that fill a register: what else would change by the place of the row is not of interest here.
    losses = [CrossEntropy()] * 2
    wide = [nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32)).double() for _ in losses]
    made = [Objective(module, CrossEntropy().value, *adopt(module)) for module in wide]
    x, y = torch.randn(2, 64, 32, dtype=torch.float64), torch.randint(32, (2, 64))
    theta = torch.stack([each.theta for each in made])
    pair = Rows(made, losses)
    pair.on(x, y, [None] * 2)
    _, g = pair.value_and_grad(theta)
    for k in range(2):
        single = Rows(made[k : k + 1], losses[:1])
        single.on(x[k : k + 1], y[k : k + 1], [None])
        assert torch.equal(single.value_and_grad(theta[k : k + 1])[1], g[k : k + 1])
        assert torch.equal(torch.stack(single.first), torch.stack(pair.first)[:, k : k + 1])
        assert torch.equal(single.output, pair.output[k : k + 1])


def test_equal_things_stand_together_with_the_numbers_of_their_rows() -> None:
    found = alike([L2(strength=1.0), L2(strength=2.0), L2(strength=1.0), None])
    assert [(each.what, each.numbers) for each in found] == [
        *((L2(strength=1.0), [0, 2]), (L2(strength=2.0), [1]), (None, [3]))
    ]
    assert alike([]) == []


def test_the_rows_of_a_kind_are_picked_and_put_back_in_their_places() -> None:
    vector = torch.arange(8.0).view(4, 2)
    kinds = alike(["b", "a", "b", "a"])
    assert torch.equal(kinds[1].of(vector), vector[[1, 3]])
    assert torch.equal(put_together(kinds, [each.of(vector) for each in kinds]), vector)
    assert Alike("all", [0, 1, 2, 3]).of(vector) is vector


def test_a_module_works_with_other_tensors_for_a_while_also_where_it_fails() -> None:
    module = nn.Sequential(nn.Linear(2, 1), BatchNorm(1, momentum=0.1, eps=1e-5, exact=False))
    parameters = Places.of(module, ["0.weight", "0.bias"], "_parameters")
    buffers = Places.of(module, ["1.mean"], "_buffers")
    weight, mean = module[0].weight, module[1].mean
    x = torch.tensor([[3.0, 4.0]])
    with parameters.holding([torch.tensor([[1.0, 2.0]]), torch.tensor([0.5])]):
        assert module[0].forward(x).item() == 11.5
    with pytest.raises(ZeroDivisionError), buffers.holding([torch.ones(1)]):
        1 / (1 - module[1].mean.item())
    assert module[0].weight is weight
    assert module[1].mean is mean
    with pytest.raises(ValueError, match="zip"), parameters.holding([torch.zeros(1)]):
        pass
