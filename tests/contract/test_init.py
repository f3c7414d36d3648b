"""The exam of every initialization in runner/init/."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from runner.core.streams import stream
from runner.init.base import Init, fans
from tests.contract.rooms import choices, variants

CLASSES = choices("init")
each = pytest.mark.parametrize("rule", [cls() for cls in CLASSES.values()], ids=CLASSES)
each_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
each_shape = pytest.mark.parametrize("shape", [(20, 30), (30, 20), (1, 7), (8, 3, 3, 3)], ids=str)
KNOBS = {f"{name} {knob}": pair for name, cls in CLASSES.items() for knob, pair in variants(cls).items()}


def filled(rule: Init, shape: tuple[int, ...], dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    weight = torch.full(shape, math.nan, dtype=dtype)
    rule.fill(weight, *fans(weight), stream(seed, "init/weight"))
    return weight


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4)).to(dtype)


def test_the_folder_holds_those_that_the_exam_finds() -> None:
    assert {"kaiming_normal", "xavier_uniform", "normal", "torch_default", "duplicate_units"} <= CLASSES.keys()


@each_dtype
@each_shape
@each
def test_it_overwrites_every_element_in_place(rule: Init, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    weight = torch.full(shape, math.nan, dtype=dtype)
    place = weight.data_ptr()
    rule.fill(weight, *fans(weight), stream(0, "init/weight"))
    assert weight.data_ptr() == place
    assert weight.dtype == dtype
    assert weight.isfinite().all()


@each_dtype
@each_shape
@each
def test_the_same_stream_gives_the_same_weights(rule: Init, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    assert torch.equal(filled(rule, shape, dtype), filled(rule, shape, dtype))


@each
def test_it_does_not_touch_the_global_generator(rule: Init) -> None:
    before = torch.random.get_rng_state()
    filled(rule, (20, 30))
    assert torch.equal(torch.random.get_rng_state(), before)


@each
def test_it_fills_a_view_of_theta_like_a_tensor_of_its_own(rule: Init) -> None:
    theta = torch.full((1 + 20 * 30 + 1,), math.nan, dtype=torch.float64)
    view = theta[1:-1].view(20, 30)
    rule.fill(view, 30, 20, stream(0, "init/weight"))
    assert torch.equal(view, filled(rule, (20, 30)))
    assert theta[[0, -1]].isnan().all()


@each_dtype
@each
def test_a_network_starts_with_finite_weights_and_with_biases_0_where_it_says_so(
    rule: Init, dtype: torch.dtype
) -> None:
    module = network(dtype)
    for parameter in module.parameters():
        nn.init.constant_(parameter, math.nan)
    rule.apply(module, seed=3)
    for name, parameter in module.named_parameters():
        assert parameter.isfinite().all()
        assert parameter.dtype == dtype
        assert parameter.requires_grad
        if name.endswith("bias"):
            assert parameter.any() == (not rule.zero_biases)


@each
def test_a_network_starts_equally_from_equal_seeds(rule: Init) -> None:
    starts = []
    for _ in range(2):
        module = network()
        rule.apply(module, seed=3)
        starts.append(nn.utils.parameters_to_vector(module.parameters()))
    assert torch.equal(*starts)


@each
def test_a_network_starts_without_touching_the_global_generator(rule: Init) -> None:
    module = network()
    before = torch.random.get_rng_state()
    rule.apply(module, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)


@each
def test_a_normalization_starts_as_no_change(rule: Init) -> None:
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 5), nn.LayerNorm(5))
    for parameter in module.parameters():
        nn.init.constant_(parameter, math.nan)
    rule.apply(module, seed=3)
    for norm in (module[1], module[4]):
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert not norm.bias.any()


@pytest.mark.parametrize(("one", "other"), KNOBS.values(), ids=KNOBS)
def test_every_argument_changes_the_result(one: Init, other: Init) -> None:
    assert not torch.equal(filled(one, (20, 30)), filled(other, (20, 30)))


@each
def test_equal_constants_make_equal_rules(rule: Init) -> None:
    assert rule == type(rule)()
    assert hash(rule) == hash(type(rule)())
