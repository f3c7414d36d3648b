"""What a method asked the objective for, in gradients: the unit in which methods are compared.

    gradients = forward / 3 + 2 backward / 3 + 2 hvp

A backward pass takes about two forward passes, so that a gradient, which is one of each, counts 1 and an evaluation of
the loss 1/3. A product with a Hessian or a Gauss-Newton matrix takes about two gradients, its graph being at hand.
Counted in examples; divided by the number of training examples it is in passes over the data. What a method does
beside (factorizing, searching a subspace) is in its seconds alone.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

Number = TypeVar("Number", float, np.ndarray[Any, np.dtype[np.float64]])


def gradients(forward: Number, backward: Number, hvp: Number) -> Number:
    """The cost of so many evaluations, gradients among them, and products.

    >>> gradients(100, 100, 0), gradients(3, 0, 1)
    (100.0, 3.0)
    """
    return (forward + 2 * backward) / 3 + 2 * hvp
