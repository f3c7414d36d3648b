"""All parameters as one vector."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from runner.core.theta import Layout, Slot, adopt


class Tied(nn.Module):
    """An encoder and a decoder that share one square weight."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(3, 3)
        self.decode = nn.Linear(3, 3)
        self.decode.weight = self.encode.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.decode(self.encode(x))
        return out


class Scaled(nn.Module):
    """A parameter without dimensions beside one with four."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.conv = nn.Conv2d(2, 3, 2)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))


def test_theta_holds_the_parameters_one_after_the_other_row_by_row() -> None:
    module = net()
    kept = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
    theta, layout = adopt(module)
    assert torch.equal(theta, kept)
    assert layout.slots == (
        Slot("0.weight", (3, 4), 0, 12),
        Slot("0.bias", (3,), 12, 3),
        Slot("2.weight", (2, 3), 15, 6),
        Slot("2.bias", (2,), 21, 2),
    )
    assert layout.size == 23


def test_adopting_leaves_the_function_of_the_module_as_it_was() -> None:
    module, x = net(), torch.linspace(-1, 1, 8).view(2, 4)
    before = module(x)
    adopt(module)
    assert torch.equal(module(x), before)


def test_writing_theta_changes_the_module_and_the_other_way_round() -> None:
    module = net()
    theta, layout = adopt(module)
    theta.copy_(torch.arange(23.0))
    for parameter, view in zip(module.parameters(), layout.views(theta), strict=True):
        assert torch.equal(parameter, view)
        assert parameter.data_ptr() == view.data_ptr()
    with torch.no_grad():
        next(module.parameters())[0, 1] = -5.0
    assert theta[1] == -5.0


def test_theta_is_contiguous_without_a_history_and_of_the_dtype_of_the_module() -> None:
    theta, _ = adopt(net().double())
    assert theta.dtype == torch.float64
    assert theta.is_contiguous()
    assert not theta.requires_grad


def test_a_tensor_in_two_places_lies_in_theta_once() -> None:
    module = Tied()
    theta, layout = adopt(module)
    assert [slot.name for slot in layout.slots] == ["encode.weight", "encode.bias", "decode.bias"]
    assert layout.size == theta.numel() == 15
    theta.zero_()
    assert not module.decode.weight.any()
    assert module.decode.weight is module.encode.weight


def test_a_parameter_without_dimensions_is_one_element() -> None:
    module = Scaled()
    theta, layout = adopt(module)
    assert layout.slots[0] == Slot("scale", (), 0, 1)
    assert layout.views(theta)[0].shape == ()
    theta[0] = 7.0
    assert module.scale.item() == 7.0


def test_views_put_together_are_the_vector() -> None:
    _, layout = adopt(Scaled())
    vector = torch.arange(float(layout.size))
    assert torch.equal(torch.cat([view.reshape(-1) for view in layout.views(vector)]), vector)


def test_views_by_name_are_the_same_views() -> None:
    theta, layout = adopt(net())
    named = layout.named(theta)
    assert list(named) == [slot.name for slot in layout.slots]
    for view, other in zip(named.values(), layout.views(theta), strict=True):
        assert view.data_ptr() == other.data_ptr()
        assert view.shape == other.shape


@pytest.mark.parametrize("lead", [(5,), (2, 3)])
def test_views_of_rows_of_vectors_have_the_rows_in_front_and_share_memory(lead: tuple[int, ...]) -> None:
    _, layout = adopt(Scaled())
    rows = torch.arange(float(layout.size * torch.Size(lead).numel())).view(*lead, layout.size)
    views = layout.views(rows)
    assert [view.shape for view in views] == [(*lead, *slot.shape) for slot in layout.slots]
    last = tuple(size - 1 for size in lead)
    for view, single in zip(views, layout.views(rows[last]), strict=True):
        assert torch.equal(view[last], single)
    views[1].zero_()
    assert not layout.views(rows)[1].any()


def test_a_layout_is_equal_for_equal_modules() -> None:
    (_, one), (_, other) = adopt(net()), adopt(net())
    assert one == other
    assert isinstance(one, Layout)
    assert hash(one) == hash(other)
