"""Noise of a forward pass, which comes from outside."""

from __future__ import annotations

import itertools

import pytest
import torch

from runner.core.noise import Dropout, Scaling
from runner.core.streams import stream

LIKE = torch.empty(0, dtype=torch.float64)


def drawn(rate: float, batch: int = 64, width: int = 50, seed: int = 0) -> Dropout:
    layer = Dropout(width, rate).train()
    layer.draw(batch, stream(seed, "noise", 1), LIKE)
    return layer


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_mask_holds_zeros_and_the_inverse_of_the_share_that_is_kept(rate: float) -> None:
    mask = drawn(rate).mask
    assert mask is not None
    assert set(mask.unique().tolist()) == {0.0, 1 / (1 - rate)}


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_is_the_rate(rate: float) -> None:
    # 200,000 independent draws with a fixed seed; the share has deviation sqrt(r (1 - r) / n), and 4 of them are
    # exceeded by one seed in 16,000.
    n = 200_000
    mask = drawn(rate, 4000, 50).mask
    assert mask is not None
    assert (mask == 0).double().mean().item() == pytest.approx(rate, abs=4 * (rate * (1 - rate) / n) ** 0.5)


def test_the_expected_output_is_the_input() -> None:
    # mask/(keep) has mean 1 and variance rate/keep = 1 at rate 0.5, so the mean over 40,000 rows is within 4.5/200 of
    # the input in each of 5 columns (4.5 deviations: one seed in 30,000).
    layer, x = drawn(0.5, 40_000, 5), torch.tensor([-2.0, -0.5, 0.0, 1.0, 3.0], dtype=torch.float64)
    mean = layer(x.expand(40_000, 5)).mean(0)
    assert ((mean - x).abs() <= 4.5 / 200 * x.abs()).all()


def test_the_output_is_the_input_times_the_mask() -> None:
    layer, x = drawn(0.3, 7, 5), torch.arange(35.0, dtype=torch.float64).view(7, 5)
    assert torch.equal(layer(x), x * layer.mask)


def test_a_mask_stays_until_the_next_draw() -> None:
    layer, x = drawn(0.5, 7, 5), torch.ones(7, 5, dtype=torch.float64)
    assert torch.equal(layer(x), layer(x))


def test_the_same_stream_gives_the_same_masks_one_after_the_other() -> None:
    def masks() -> list[torch.Tensor]:
        layer, noise, found = Dropout(8, 0.5), stream(0, "noise", 1), []
        for _ in range(3):
            layer.draw(16, noise, LIKE)
            assert layer.mask is not None
            found.append(layer.mask.clone())
        return found

    one, other = masks(), masks()
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(one[0], one[1])


def test_a_smaller_last_batch_has_a_mask_of_its_size() -> None:
    layer, noise = Dropout(3, 0.5).train(), stream(0, "noise", 1)
    for batch in (8, 5, 8):
        layer.draw(batch, noise, LIKE)
        assert layer(torch.ones(batch, 3, dtype=torch.float64)).shape == (batch, 3)


def test_a_mask_has_the_dtype_of_the_parameters() -> None:
    layer = Dropout(3, 0.5)
    layer.draw(4, stream(0, "noise", 1), torch.empty(0, dtype=torch.float32))
    assert layer.mask is not None
    assert layer.mask.dtype == torch.float32


def test_without_a_stream_or_a_rate_nothing_is_dropped() -> None:
    x = torch.ones(4, 3)
    layer = Dropout(3, 0.5).train()
    assert layer(x) is x  # before the first draw
    layer.draw(4, stream(0, "noise", 1), x)
    assert not torch.equal(layer(x), x)
    layer.draw(4, None, x)
    assert layer(x) is x
    never = Dropout(3, 0.0).train()
    never.draw(4, stream(0, "noise", 1), x)
    assert never(x) is x


def test_without_a_rate_no_random_number_is_used_up() -> None:
    noise = stream(0, "noise", 1)
    before = noise.get_state()
    Dropout(3, 0.0).draw(4, noise, LIKE)
    assert torch.equal(noise.get_state(), before)


def test_in_evaluation_nothing_is_dropped() -> None:
    layer, x = drawn(0.5, 4, 3), torch.ones(4, 3, dtype=torch.float64)
    assert layer.eval()(x) is x
    assert not torch.equal(layer.train()(x), x)


def test_a_layer_tells_its_shape_rate_and_scaling() -> None:
    assert repr(Dropout(3, 0.5)) == "Dropout(shape=(3,), rate=0.5, scaling=inverted)"
    assert repr(Dropout((3, 1, 1), 0.5, "test")) == "Dropout(shape=(3, 1, 1), rate=0.5, scaling=test)"


def test_a_mask_has_the_shape_that_it_is_told() -> None:
    layer, x = Dropout((3, 1, 1), 0.5).train(), torch.ones(40, 3, 2, 4, dtype=torch.float64)
    layer.draw(40, stream(0, "noise", 1), LIKE)
    channels = layer(x).flatten(2)
    assert (channels == channels[..., :1]).all()  # a channel is kept or dropped whole
    assert set(channels.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_scaling_in_use_multiplies_by_the_share_that_is_kept_and_not_by_the_rate(rate: float) -> None:
    layer, x = Dropout(5, rate, "test").train(), torch.full((64, 5), 3.0, dtype=torch.float64)
    layer.draw(64, stream(0, "noise", 1), LIKE)
    assert set(layer(x).unique().tolist()) == {0.0, 3.0}
    assert torch.equal(layer.eval()(x), x * (1 - rate))


def test_scaling_in_use_holds_in_training_without_noise() -> None:
    layer, x = Dropout(5, 0.3, "test").train(), torch.ones(4, 5, dtype=torch.float64)
    layer.draw(4, None, LIKE)
    assert torch.equal(layer(x), x * 0.7)


def test_both_scalings_draw_the_same_units() -> None:
    masks = {}
    scalings: tuple[Scaling, ...] = ("inverted", "test")
    for scaling in scalings:
        layer = Dropout(50, 0.3, scaling)
        layer.draw(64, stream(0, "noise", 1), LIKE)
        assert layer.mask is not None
        masks[scaling] = layer.mask
    torch.testing.assert_close(masks["inverted"] * 0.7, masks["test"], rtol=1e-15, atol=0)


@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_the_mean_over_all_masks_of_a_linear_map_is_its_output_in_use(rate: float) -> None:
    # All 2^6 masks, each with its probability p^zeros (1-p)^ones: exact for both scalings, since w.(mask x) is linear.
    n = 6
    x = torch.linspace(-1, 2, n, dtype=torch.float64)
    w = torch.linspace(3, -1, n, dtype=torch.float64)
    masks = torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)), dtype=torch.float64)
    chance = ((1 - rate) ** masks.sum(1)) * (rate ** (n - masks.sum(1)))
    for layer in (Dropout(n, rate, "inverted"), Dropout(n, rate, "test")):
        layer.mask = masks / layer.kept
        mean = chance @ (layer.train()(x.expand(len(masks), n)) @ w)
        assert mean.item() == pytest.approx((layer.eval()(x) @ w).item(), rel=1e-13)  # a sum of 64 terms
