"""The planes: where they lie, and what lies in them."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from runner.core.errors import ConfigError
from runner.core.theta import Layout, adopt
from runner.landscape import filter, hessian, principal
from runner.landscape.base import Plane, Seen, Surface, Trajectory
from runner.run import prepare
from tests.lanes.sides import composed, run

EPS = 2.3e-16  # of float64


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def trajectory(points: Tensor, name: str = "sgd") -> Trajectory:
    return Trajectory(name, name, "completed", tuple(range(len(points))), points)


def seen(*paths: Tensor, layout: Layout | None = None, seed: int = 0) -> Seen:
    """Paths in a landscape that nobody looks at."""
    surface: Surface = None  # type: ignore[assignment]
    return Seen([trajectory(points) for points in paths], surface, layout or Layout(()), seed)


def network() -> tuple[Tensor, Layout]:
    """A network with filters of two, three and four axes, and with tensors that are none."""
    module = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4))
    theta, layout = adopt(module)
    return drawn(len(theta), seed=7), layout


def test_every_filter_of_a_normalized_direction_is_as_long_as_that_of_the_network() -> None:
    theta, layout = network()
    found = filter.normalized(drawn(len(theta), seed=1), theta, layout)
    for made, weight in zip(layout.views(found), layout.views(theta), strict=True):
        if weight.dim() > 1:
            lengths = made.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1)
            assert torch.allclose(*lengths, rtol=8 * EPS, atol=0)  # a quotient, a product, and two sums of squares
            assert not torch.allclose(made, weight)
        else:
            assert not made.any()


def test_a_normalized_direction_keeps_the_direction_of_every_filter() -> None:
    theta, layout = network()
    draw = drawn(len(theta), seed=1)
    found = layout.views(filter.normalized(draw, theta, layout))[0].flatten(1)
    wanted = layout.views(draw)[0].flatten(1)
    cosines = (found * wanted).sum(1) / found.norm(dim=1) / wanted.norm(dim=1)
    assert torch.allclose(cosines, torch.ones(3).double(), rtol=8 * EPS)


def test_the_scale_of_a_layer_and_its_inverse_in_the_next_change_nothing_of_a_filter_plane() -> None:
    """theta -> (100 w1, w2 / 100) is the same function of a ReLU network; so is the plane, in the same coordinates."""
    _, layout = adopt(nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False)))
    theta = drawn(18)
    scale = torch.cat([torch.full((12,), 100.0), torch.full((6,), 0.01)]).double()
    planes = [filter.plane(seen(torch.stack([theta * s, theta * s]), layout=layout)) for s in (torch.ones(18), scale)]
    assert torch.allclose(planes[0].at(0.3, -0.7) * scale, planes[1].at(0.3, -0.7), rtol=1e-13)  # a few roundings


def test_random_directions_are_those_of_the_seed() -> None:
    theta, layout = network()
    path = torch.stack([theta, theta])
    first, again, other = (filter.plane(seen(path, layout=layout, seed=seed)).directions for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_an_end_whose_weights_are_all_zero_has_no_filter_plane() -> None:
    theta, layout = network()
    with pytest.raises(ConfigError) as refused:
        filter.plane(seen(torch.stack([theta, 0 * theta]), layout=layout))
    assert str(refused.value) == (
        "directions=filter is refused\n"
        "  allowed: an end with weights that are not all 0, and more than one of them\n"
        "  do this: give directions=principal"
    )


def test_the_principal_plane_of_paths_that_lie_in_a_plane_gives_back_their_points() -> None:
    corner, both = drawn(500), drawn(2, 500, seed=1)
    paths = [corner + drawn(9, 2, seed=seed) @ both for seed in (2, 3)]
    plane = principal.plane(seen(*paths))
    for path in paths:
        places, off = plane.nearest(path)
        back = torch.stack([plane.at(a, b) for a, b in places.tolist()])
        # 1e-12: s^2 is known to 1e-16 of the larger one, of numbers up to 10
        assert (back - path).abs().max() < 1e-12 * 10
        assert off.max() < 1e-12 * path.norm()


def test_principal_directions_are_orthonormal_and_their_shares_are_those_of_a_singular_value_decomposition() -> None:
    paths = [drawn(6, 40, seed=seed) for seed in (1, 2)]
    plane = principal.plane(seen(*paths))
    away = torch.cat(paths) - paths[-1][-1]
    _, s, vt = torch.linalg.svd(away, full_matrices=False)
    assert torch.allclose(plane.directions @ plane.directions.T, torch.eye(2).double(), atol=1e-13)
    assert torch.allclose((plane.directions @ vt[:2].T).abs(), torch.eye(2).double(), atol=1e-12)
    shares = [float(number) for number in re.findall(r"\((\S+) %\)", " ".join(plane.names))]
    assert shares == pytest.approx((100 * s[:2] ** 2 / (s**2).sum()).tolist(), rel=5e-3)  # three digits


def test_a_principal_plane_goes_through_the_last_end_and_has_the_start_at_the_upper_left() -> None:
    for seed in range(5):
        paths = [drawn(6, 40, seed=seed), drawn(6, 40, seed=seed + 50)]
        plane = principal.plane(seen(*paths))
        (place,), _ = plane.nearest(paths[0][:1])
        assert place[0] < 0 < place[1]
        assert torch.equal(plane.at(0.0, 0.0), paths[-1][-1])


def test_paths_that_lie_on_a_line_have_no_principal_plane() -> None:
    with pytest.raises(ConfigError) as refused:
        principal.plane(seen(torch.outer(torch.arange(5.0), torch.ones(8)).double()))
    assert str(refused.value) == (
        "directions=principal is refused\n"
        "  allowed: runs that leave the line through their start and their end\n"
        "  do this: give points=200, or name several runs; or give directions=filter"
    )


def test_blocks_of_parameters_make_the_same_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [drawn(6, 41, seed=seed) for seed in (1, 2)]
    whole = principal.plane(seen(*paths)).directions
    monkeypatch.setattr(principal, "BLOCK", 7)
    assert torch.allclose(principal.plane(seen(*paths)).directions, whole, atol=1e-13)  # sums in another order


def test_hessian_directions_at_the_end_of_least_squares_are_its_eigenvectors() -> None:
    """mean (w.x + b - y)^2 has the Hessian 2/N sum (x, 1)(x, 1)', whose eigenvectors LAPACK knows."""
    chosen = composed("dataset=diabetes", "loss=mse", "architecture=linear", "regularizer=l2", "optimizer=sgd")
    m = prepare(chosen)
    surface = Surface(chosen, m, m.train, 10_000)
    x, _ = m.train.rows(torch.arange(len(m.train)))
    rows = torch.cat([x, torch.ones(len(x), 1).double()], 1)
    values, vectors = torch.linalg.eigh(2 * rows.T @ rows / len(rows))
    end = m.theta + 0.1
    plane = hessian.plane(Seen([trajectory(torch.stack([m.theta.clone(), end]))], surface, m.layout, 0))
    cosines = (plane.directions @ vectors.flip(1)[:, :2]).abs()
    assert torch.allclose(cosines, torch.eye(2).double(), atol=1e-9)  # eigenvalues apart by 1 percent and more
    told = [float(number) for number in re.findall(r"eigenvalue (\S+)\)", " ".join(plane.names))]
    assert told == pytest.approx(values.flip(0)[:2].tolist(), rel=5e-4)  # four digits


def test_two_equal_eigenvalues_have_a_direction_each() -> None:
    chosen = composed("problem=bowl", "loss.condition=1")
    m = prepare(chosen)
    path = torch.tensor([[3.0, 4.0], [0.0, 0.0]]).double()
    plane = hessian.plane(Seen([trajectory(path)], Surface(chosen, m, m.train, 1), m.layout, 0))
    assert torch.allclose(plane.directions @ plane.directions.T, torch.eye(2).double(), atol=1e-14)


def test_a_hessian_plane_looks_as_far_as_the_loss_climbs_to_that_at_the_start() -> None:
    """f = x1^2/2 + 50 x2^2/2 is at the start (8, 0) as high as at x2 = 8/sqrt(50) = 1.13; lengths are doubled."""
    chosen = composed("problem=bowl", "loss.condition=50")
    m = prepare(chosen)
    path = torch.tensor([[8.0, 0.0], [0.0, 0.0]]).double()
    plane = hessian.plane(Seen([trajectory(path)], Surface(chosen, m, m.train, 1), m.layout, 0))
    assert 1.13 <= plane.reach[0] < 2 * 1.14
    assert plane.reach[1] == 8.0


def test_an_end_without_a_finite_hessian_is_refused() -> None:
    chosen = run()
    m = prepare(chosen)
    path = torch.stack([m.theta.clone(), m.theta * torch.inf])
    with pytest.raises(ConfigError) as refused:
        hessian.plane(Seen([trajectory(path)], Surface(chosen, m, m.train, 10), m.layout, 0))
    assert str(refused.value) == (
        "directions=hessian is refused\n"
        "  allowed: an end where the loss and its second derivatives are finite\n"
        "  do this: give directions=filter"
    )


def test_a_point_is_drawn_where_the_plane_is_nearest_though_its_directions_are_neither_orthogonal_nor_of_length_1() -> (
    None
):
    origin, u, v = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([2.0, 0.0, 0.0]), torch.tensor([1.0, 3.0, 0.0])
    plane = Plane(origin, torch.stack([u, v]), ("", ""), "")
    points = torch.stack([origin, origin + 2 * u - v, origin + u + torch.tensor([0.0, 0.0, 5.0])])
    places, off = plane.nearest(points)
    assert places == pytest.approx(np.array([[0, 0], [2, -1], [1, 0]]), abs=1e-14)
    assert off == pytest.approx([0, 0, 5], abs=1e-14)
