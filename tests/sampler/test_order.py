"""Which rows make up an epoch, and in what order."""

from __future__ import annotations

import pytest
import torch

from runner.core.errors import ConfigError
from runner.core.streams import stream
from runner.sampler.base import Sampler
from runner.sampler.full import Full
from runner.sampler.shuffle import Shuffle


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
    assert refused.value.refusal.allowed == "a whole number in [1, inf)"


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
