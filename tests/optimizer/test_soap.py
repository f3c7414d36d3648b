"""SOAP against its twin, and where it is Adam."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.optimizer.adam import Adam
from runner.optimizer.soap import SOAP, eigenvectors, turn
from tests.optimizer.problems import Given, apart, flat
from tests.optimizer.test_shampoo import random, shaped


def moved(rule: Any, layout: Any, gradients: list[Tensor], lr: float = 0.1) -> Tensor:
    """theta after a step along each gradient, from 0."""
    theta = torch.zeros(layout.size, dtype=torch.float64)
    state = rule.start(theta, layout)
    asked = Given(iter(gradients))
    for t in range(1, len(gradients) + 1):
        rule.step(theta, state, asked, lr, t)
    return theta


# Matrices whose first gradients have no null space, in which any vectors would do. The library turns eigenvectors in
# float32, whatever comes in: 1e-7 in each, and s remembers them.
@pytest.mark.parametrize(("every", "off"), [(1000, 1e-12), (3, 1e-5)])
@pytest.mark.parametrize(("shape", "largest"), [((4, 4), 10_000), ((4, 6), 4), ((6, 4), 4)])
def test_twenty_steps_are_those_of_pytorch_optimizer(
    shape: tuple[int, int], largest: int, every: int, off: float
) -> None:
    library = pytest.importorskip("pytorch_optimizer", reason="the twin is in pytorch_optimizer, in the extra `dev`")
    layout = shaped(shape, (5,))
    gradients = random(layout.size, steps=20)
    parameters = [nn.Parameter(torch.zeros(slot.shape, dtype=torch.float64)) for slot in layout.slots]
    twin = library.SOAP(
        parameters,
        lr=0.01,
        betas=(0.9, 0.95),
        weight_decay=0.0,
        precondition_frequency=every,
        max_precondition_dim=largest,
    )
    for g in gradients:
        for parameter, view in zip(parameters, layout.views(g), strict=True):
            parameter.grad = view.clone()
        twin.step()
    expected = torch.cat([parameter.detach().flatten() for parameter in parameters])
    found = moved(SOAP(betas=(0.9, 0.95), every=every, largest=largest), layout, gradients, lr=0.01)
    assert apart(found, expected) < off


@pytest.mark.parametrize("layout", [flat(6), shaped((2, 3))], ids=["a vector", "a matrix without eigenvectors"])
def test_without_eigenvectors_it_is_adam_from_the_second_gradient_on(layout: Any) -> None:
    gradients = random(6)
    adam = Adam(betas=(0.95, 0.95), eps_placement="outside", bias_correction="both")
    found = moved(SOAP(largest=1), layout, gradients)
    torch.testing.assert_close(found, moved(adam, layout, gradients[1:]), rtol=1e-12, atol=1e-15)


def test_gradients_that_share_their_singular_vectors_are_adam_in_these() -> None:
    numbers = torch.Generator().manual_seed(0)
    U, V = (torch.linalg.qr(torch.randn(3, 3, generator=numbers, dtype=torch.float64))[0] for _ in range(2))
    sizes = [torch.tensor([3.0, 2.0, 1.0]).double() * (1 + 0.1 * k) for k in range(5)]
    found = moved(SOAP(every=2), shaped((3, 3)), [(U @ size.diag() @ V.T).flatten() for size in sizes])
    adam = Adam(betas=(0.95, 0.95), eps_placement="outside")
    diagonal = moved(adam, flat(9), [size.diag().flatten() for size in sizes[1:]]).view(3, 3)
    # elements beside the diagonal are rounding, 1e-16, which eps = 1e-8 keeps below 1e-8
    torch.testing.assert_close(U.T @ found.view(3, 3) @ V, diagonal, rtol=0, atol=1e-6)


def test_a_convolution_is_the_matrix_of_its_kernels() -> None:
    gradients = random(24)
    one = moved(SOAP(every=2), shaped((2, 3, 2, 2)), gradients)
    assert torch.equal(one, moved(SOAP(every=2), shaped((2, 12)), gradients))


def test_turning_goes_on_until_the_vectors_are_eigenvectors() -> None:
    numbers = torch.Generator().manual_seed(0)
    Q, _ = torch.linalg.qr(torch.randn(4, 4, generator=numbers, dtype=torch.float64))
    side = Q @ torch.tensor([1.0, 8.0, 4.0, 2.0]).double().diag() @ Q.T
    turns, s = [torch.eye(4).double()], torch.zeros(4, 1).double()
    for _ in range(60):  # an angle shrinks by 1/2 a turn, the ratio of neighbouring eigenvalues
        turn([side], turns, s)
    torch.testing.assert_close(turns[0].T @ side @ turns[0], torch.tensor([8.0, 4.0, 2.0, 1.0]).double().diag())
    torch.testing.assert_close(turns[0].abs(), eigenvectors(side).abs())


def test_s_goes_with_its_vectors() -> None:
    side = torch.tensor([1.0, 2.0]).double().diag()
    turns, s = [torch.eye(2).double()], torch.tensor([[10.0], [20.0]]).double()
    turn([side], turns, s)
    assert s.tolist() == [[20.0], [10.0]]
    assert turns[0].abs().tolist() == [[0.0, 1.0], [1.0, 0.0]]
