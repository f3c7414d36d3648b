"""Which rows make up an epoch, and in what order."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from runner.core.errors import ConfigError
from runner.core.streams import stream
from runner.sampler.base import Sampler
from runner.sampler.fixed_partition import FixedPartition
from runner.sampler.full import Full
from runner.sampler.sequential import Sequential
from runner.sampler.shuffle import Shuffle
from runner.sampler.single import Single
from runner.sampler.with_replacement import WithReplacement


@pytest.mark.parametrize("n", [1, 7, 100, 1258])
def test_shuffle_takes_every_row_once_in_an_epoch(n: int) -> None:
    order = Shuffle().order(n, stream(0, "order", 1))
    assert sorted(order.tolist()) == list(range(n))
    assert order.dtype == torch.int64


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    one, again = (Shuffle().order(50, stream(3, "order", 5)) for _ in range(2))
    assert torch.equal(one, again)


def test_other_epochs_and_other_seeds_have_other_orders() -> None:
    orders = [Shuffle().order(50, stream(seed, "order", epoch)) for seed in range(3) for epoch in range(1, 6)]
    assert len({tuple(order.tolist()) for order in orders}) == 15


def test_the_order_does_not_depend_on_the_size_of_the_batches() -> None:
    small, large = (Shuffle(batch_size=size).order(50, stream(0, "order", 1)) for size in (3, 40))
    assert torch.equal(small, large)


def test_drop_last_drops_the_rest_of_the_same_order() -> None:
    kept = Shuffle(batch_size=8).order(50, stream(0, "order", 1))
    dropped = Shuffle(batch_size=8, drop_last=True).order(50, stream(0, "order", 1))
    assert torch.equal(dropped, kept[:48])


def test_drawing_an_order_does_not_move_the_stream_of_the_process() -> None:
    torch.manual_seed(4)
    Shuffle().order(50, stream(0, "order", 1))
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(4)))


@pytest.mark.parametrize(
    ("n", "batch_size", "drop_last", "size", "length", "batches"),
    [
        (10, 4, False, 4, 10, 3),  # 4 + 4 + 2
        (10, 4, True, 4, 8, 2),
        (12, 4, False, 4, 12, 3),
        (12, 4, True, 4, 12, 3),  # no short batch, so none is dropped
        (10, 1, True, 1, 10, 10),
        (10, 100, False, 10, 10, 1),  # a batch is never larger than N
        (10, 100, True, 10, 10, 1),  # and so it is not short
        (1, 1, True, 1, 1, 1),
    ],
)
def test_the_batches_of_shuffle(n: int, batch_size: int, drop_last: bool, size: int, length: int, batches: int) -> None:
    sampler = Shuffle(batch_size=batch_size, drop_last=drop_last)
    assert (sampler.size(n), sampler.length(n), sampler.batches(n)) == (size, length, batches)
    assert len(sampler.order(n, stream(0, "order", 1))) == length


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True])
def test_a_batch_has_a_whole_number_of_rows_from_1(batch_size: int) -> None:
    with pytest.raises(ConfigError) as refused:
        Shuffle(batch_size=batch_size)
    assert refused.value.refusal.allowed == "a whole number in [1, 1e+15] or all"


def test_all_rows_in_one_batch_are_taken_as_they_lie() -> None:
    whole = Shuffle(batch_size="all")
    assert (whole.size(10), whole.batches(10)) == (10, 1)
    assert whole.order(10, stream(0, "order", 1)) is None


@pytest.mark.parametrize("n", [1, 10, 1258])
def test_full_takes_all_rows_in_one_batch(n: int) -> None:
    sampler = Full()
    assert (sampler.size(n), sampler.length(n), sampler.batches(n)) == (n, n, 1)


def test_full_leaves_the_rows_as_they_lie() -> None:
    sampler: Sampler = Full()
    assert sampler.order(10, stream(0, "order", 1)) is None


def test_full_draws_nothing() -> None:
    one = stream(0, "order", 1)
    before = one.get_state()
    Full().order(10, one)
    assert torch.equal(one.get_state(), before)


def cut(sampler: Sampler, n: int, epoch: int = 1, seed: int = 0) -> list[list[int]]:
    """The batches of an epoch, as the loop cuts them."""
    order = sampler.order(n, stream(seed, "order", epoch))
    return [batch.tolist() for batch in torch.split(torch.arange(n) if order is None else order, sampler.size(n))]


def test_single_takes_every_row_once_and_alone_in_a_new_order() -> None:
    one, two = cut(Single(), 50), cut(Single(), 50, epoch=2)
    assert sorted(one) == sorted(two) == [[row] for row in range(50)]
    assert one != two


def test_sequential_takes_the_rows_as_they_lie_in_every_epoch() -> None:
    sampler = Sequential(batch_size=4)
    assert cut(sampler, 10) == cut(sampler, 10, epoch=2) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert sampler.order(10, stream(0, "order", 1)) is None  # nothing is copied
    assert cut(Sequential(batch_size=4, drop_last=True), 10) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert cut(Sequential(batch_size=40, drop_last=True), 3) == [[0, 1, 2]]


def test_with_replacement_draws_from_0_to_n_minus_1_and_nothing_else() -> None:
    rows = WithReplacement().order(7, stream(0, "order", 1))
    many = torch.cat([WithReplacement().order(7, stream(0, "order", epoch)) for epoch in range(1, 101)])
    assert rows.shape == (7,)
    assert sorted(set(many.tolist())) == list(range(7))


def test_with_replacement_misses_about_one_example_in_e_of_an_epoch() -> None:
    n = 20_000
    missed = 1 - len(set(WithReplacement().order(n, stream(0, "order", 1)).tolist())) / n
    # The number of missed rows has a variance of about n (e - 2) / e^2, so the share one of 0.31 / sqrt(n) = 0.0022.
    assert missed == pytest.approx((1 - 1 / n) ** n, abs=5 * math.sqrt((math.e - 2) / math.e**2 / n))
    assert (1 - 1 / n) ** n == pytest.approx(1 / math.e, rel=1e-4)


def test_the_draws_with_replacement_are_uniform() -> None:
    n, draws = 10, 50_000
    rows = torch.cat([WithReplacement().order(n, stream(0, "order", e)) for e in range(1, draws // n + 1)])
    counts = torch.bincount(rows, minlength=n)
    chi2 = float(((counts - draws / n) ** 2 / (draws / n)).sum())
    assert chi2 < 33.7  # the 0.9999 quantile for 9 degrees of freedom; the draws are fixed, so this cannot flicker


def test_a_fixed_partition_has_the_same_batches_in_every_epoch_in_another_order() -> None:
    sampler = FixedPartition(batch_size=4)
    epochs = [cut(sampler, 22, epoch) for epoch in range(1, 6)]
    for batches in epochs:
        assert [len(batch) for batch in batches] == [4, 4, 4, 4, 4, 2]  # the short one is the last
        assert sorted(batches) == sorted(epochs[0])
        assert sorted(row for batch in batches for row in batch) == list(range(22))
    assert len({tuple(map(tuple, batches)) for batches in epochs}) == 5
    assert epochs[0] != cut(Sequential(batch_size=4), 22)


def test_shuffle_has_other_batches_in_another_epoch_where_a_fixed_partition_has_not() -> None:
    def sets(sampler: Sampler, epoch: int) -> set[frozenset[int]]:
        return {frozenset(batch) for batch in cut(sampler, 100, epoch)}

    assert sets(FixedPartition(batch_size=10), 1) == sets(FixedPartition(batch_size=10), 2)
    assert not sets(Shuffle(batch_size=10), 1) & sets(Shuffle(batch_size=10), 2)


def test_the_partition_is_drawn_by_its_own_seed_and_its_blocks_may_keep_their_order() -> None:
    kept = FixedPartition(batch_size=4, reshuffle_blocks=False)
    assert cut(kept, 22, epoch=1, seed=0) == cut(kept, 22, epoch=2, seed=5)
    assert sorted(cut(kept, 22)) == sorted(cut(FixedPartition(batch_size=4), 22, seed=3))
    assert cut(kept, 22) != cut(FixedPartition(batch_size=4, reshuffle_blocks=False, partition_seed=1), 22)


def test_dropping_the_last_batch_of_a_fixed_partition_drops_the_same_rows_always() -> None:
    sampler = FixedPartition(batch_size=4, drop_last=True)
    seen = [{row for batch in cut(sampler, 22, epoch) for row in batch} for epoch in (1, 2)]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 20


@pytest.mark.parametrize("n", [1, 3, 4, 5])
def test_a_partition_of_few_rows_has_one_batch_or_a_short_one_more(n: int) -> None:
    assert (
        sorted(len(batch) for batch in cut(FixedPartition(batch_size=4), n)) == {1: [1], 3: [3], 4: [4], 5: [1, 4]}[n]
    )


def means(sampler: Sampler, values: Tensor, epochs: int) -> Tensor:
    """The mean of `values [N]` over every full batch of so many epochs."""
    size = sampler.size(len(values))
    batches = (batch for epoch in range(1, epochs + 1) for batch in cut(sampler, len(values), epoch))
    return torch.stack([values[torch.tensor(batch)].mean() for batch in batches if len(batch) == size])


def test_the_mean_over_all_single_examples_is_the_full_mean() -> None:
    values = torch.randn(64, dtype=torch.float64, generator=stream(0, "values"))
    # a sum of 64 numbers in two orders: some roundings of 1e-16
    assert means(Single(), values, 1).mean().item() == pytest.approx(values.mean().item(), abs=1e-14)


# The variance of the mean of S of N numbers is sigma^2 / S, and (N - S) / (N - 1) of that without replacement: exactly
# half here. 40,000 independent means give it to 5 standard errors of sqrt(2 / 40000) = 0.7 percent.
@pytest.mark.parametrize(
    ("sampler", "share"),
    [(WithReplacement(batch_size=50, drop_last=True), 1.0), (Shuffle(batch_size=50, drop_last=True), 49 / 98)],
)
def test_the_variance_of_a_batch_is_lower_without_replacement(sampler: Sampler, share: float) -> None:
    values = torch.randn(99, dtype=torch.float64, generator=stream(0, "values"))
    found = means(sampler, values, 40_000)
    assert found.var(correction=0).item() == pytest.approx(share * values.var(correction=0).item() / 50, rel=0.035)


def test_full_batches_have_no_variance() -> None:
    values = torch.randn(64, dtype=torch.float64, generator=stream(0, "values"))
    assert means(Full(), values, 3).var().item() == 0.0
