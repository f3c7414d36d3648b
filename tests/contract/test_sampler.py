"""The exam of every sampler: whatever lies in runner/sampler is examined."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from runner.core.streams import stream
from runner.sampler.base import Sampler
from tests.contract.rooms import choices, variants

ROOM = "sampler"
CLASSES = choices(ROOM)
NAMES = sorted(CLASSES)


def rows_of(order: Tensor | None, n: int) -> Tensor:
    """Row numbers of an epoch; None stands for all of them as they lie."""
    return torch.arange(n) if order is None else order


def batches(made: Sampler) -> list[list[int]]:
    """The batches of 250 rows over two epochs, as the loop cuts them; 100 do not divide 250."""
    orders = (rows_of(made.order(250, stream(0, "order", epoch)), 250) for epoch in (1, 2))
    return [batch.tolist() for order in orders for batch in torch.split(order, made.size(250))]


@pytest.mark.parametrize("name", NAMES)
class TestSampler:
    def test_its_docstring_gives_an_example(self, name: str) -> None:
        text = CLASSES[name].__doc__ or ""
        assert ">>> " in text

    def test_it_is_a_final_frozen_record(self, name: str) -> None:
        assert getattr(CLASSES[name], "__final__", False)
        with pytest.raises(dataclasses.FrozenInstanceError):
            CLASSES[name]().new = 1  # type: ignore[attr-defined]

    @pytest.mark.parametrize("n", [1, 7, 100, 101])
    def test_its_batches_cover_its_epoch(self, name: str, n: int) -> None:
        made = CLASSES[name]()
        assert 1 <= made.size(n) <= n
        assert made.length(n) >= 1
        assert made.batches(n) == -(-made.length(n) // made.size(n))

    def test_every_argument_changes_the_batches(self, name: str) -> None:
        for one, other in variants(CLASSES[name]).values():
            assert batches(one) != batches(other)

    def test_other_epochs_and_other_seeds_have_other_orders_or_all_have_one(self, name: str) -> None:
        orders = {
            tuple(rows_of(CLASSES[name]().order(500, stream(seed, "order", epoch)), 500).tolist())
            for seed in range(3)
            for epoch in range(1, 4)
        }
        assert len(orders) in (1, 9)

    @pytest.mark.parametrize("n", [1, 7, 100, 101])
    def test_its_order_has_the_length_of_the_epoch_and_holds_rows_of_the_training_part(self, name: str, n: int) -> None:
        made = CLASSES[name]()
        rows = rows_of(made.order(n, stream(0, "order", 1)), n)
        assert rows.dtype == torch.int64
        assert rows.shape == (made.length(n),)
        assert ((rows >= 0) & (rows < n)).all()

    def test_its_order_is_a_function_of_seed_and_epoch(self, name: str) -> None:
        made = CLASSES[name]()
        one, same = (rows_of(made.order(50, stream(7, "order", 2)), 50) for _ in range(2))
        assert torch.equal(one, same)

    def test_it_draws_from_the_stream_that_it_is_given_alone(self, name: str) -> None:
        torch.manual_seed(4)
        CLASSES[name]().order(50, stream(0, "order", 1))
        assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(4)))
