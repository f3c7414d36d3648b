"""Named random streams."""

from __future__ import annotations

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from runner.core.streams import key, stream


def numbers(seed: int, name: str, epoch: int = 0) -> list[float]:
    return torch.rand(4, generator=stream(seed, name, epoch), dtype=torch.float64).tolist()


def test_the_same_key_gives_the_same_numbers() -> None:
    assert numbers(3, "order", 7) == numbers(3, "order", 7)


def test_another_seed_name_or_epoch_gives_other_numbers() -> None:
    keys = [(0, "order", 1), (1, "order", 1), (0, "noise", 1), (0, "order", 2), (0, "order", 0), (0, "orde", 1)]
    assert len({tuple(numbers(*each)) for each in keys}) == len(keys)


def test_what_others_draw_and_when_changes_nothing() -> None:
    alone = numbers(0, "order", 5)
    torch.rand(10)
    for epoch in range(5):
        numbers(0, "order", epoch)
        numbers(0, "noise", epoch)
    assert numbers(0, "order", 5) == alone


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    numbers(0, "order", 5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_default_epoch_is_0_before_the_first() -> None:
    assert key(4, "init") == key(4, "init", 0)
    assert numbers(4, "init") == numbers(4, "init", 0)


@pytest.mark.parametrize(
    ("seed", "name", "epoch", "text", "found"),
    [
        (0, "init", 0, "optrun|0|init|0", 18250132626616353374),
        (2**70, "order", 12, "optrun|1180591620717411303424|order|12", 3537890565367563767),
    ],
)
def test_a_key_is_the_head_of_a_hash_and_stays_what_it_is(
    seed: int, name: str, epoch: int, text: str, found: int
) -> None:
    # The literal number is what makes old runs repeatable: it may never change.
    assert key(seed, name, epoch) == found
    assert found == int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def test_the_cpu_generator_keeps_the_low_32_bits_of_its_key() -> None:
    # What the module says of torch. Should torch begin to use all 64 bits, old runs could not be repeated.
    def of(number: int) -> list[float]:
        return torch.rand(4, generator=torch.Generator().manual_seed(number)).tolist()

    assert of(5) == of(5 + 2**32) == of(5 + 2**63)
    assert of(5) != of(5 + 2**31)


def test_no_two_streams_of_ordinary_runs_are_equal() -> None:
    # 100 seeds x 2 names x 100 epochs = 20,000 streams: by chance 20,000^2 / 2^33 = 0.05 pairs would share 32 bits.
    # The keys are fixed numbers, so this is a fact and not a coin.
    low = {key(seed, name, epoch) % 2**32 for seed in range(100) for name in ("order", "noise") for epoch in range(100)}
    assert len(low) == 20_000


@given(st.integers(0, 2**64), st.integers(0, 10**6))
def test_a_key_is_a_number_of_64_bits_that_torch_takes(seed: int, epoch: int) -> None:
    number = key(seed, "order", epoch)
    assert 0 <= number < 2**64
    assert stream(seed, "order", epoch).initial_seed() == number
