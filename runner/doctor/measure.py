"""What is measured of a run that was trained, at its first and at its last parameters: nothing of it is kept.

All of it is taken of at most `EXAMPLES` training examples, dropout off: about a hundred gradients on them, as many
forward passes on the validation part, and twenty products with the Hessian.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from runner.core.activity import activity
from runner.core.curvature import Curved
from runner.core.errors import Diverged
from runner.core.parts import Part
from runner.core.theta import Layout
from runner.doctor.base import Inside, Last, Measured, Slid, Spread
from runner.doctor.chance import of_shares
from runner.linalg.lanczos import lanczos
from runner.linalg.operator import gaussian
from runner.probe.activations import dead
from runner.probe.base import numbers
from runner.run import Material, Run
from runner.state import moved
from runner.train import PROBED

EXAMPLES = 1000  # a share of them is known to 0.016, a mean to 3 percent of a standard deviation
NEIGHBOURS = 5  # scikit-learn's default for its classifier
LENGTHS = tuple(2.0**k for k in range(13))  # a step to 4096 steps
SLIDES = 20  # iterations of L-BFGS: twice the pairs of vectors that it remembers by default
DRAWS = 20  # mini-batches for the noise, as the probe `gradient_noise` draws
LEAST = 10  # examples in a mini-batch of these: twenty single ones may all be alike
PRODUCTS = 20  # with the Hessian, as the probe `sharpness` takes
FLAT = 0.05  # slope below which an input of an activation is saturated, as in the probe `activations`
IDLE = 0.01  # of the usual slope of the loss: what learns a hundred times slower than the rest does not learn
TWIN = 1e-5  # of a mean length; two random rows are sqrt(2) apart, and float32 rounds at 1e-7
UNITS = 500  # of a layer that are compared, as in the probe `symmetry`


def measured(run: Run, m: Material, saved: Mapping[str, Any] | None) -> Measured:
    """Everything about a run; `saved`: what its last commit holds, None where it has none."""
    asked = m.objective.measuring().sample(EXAMPLES, PROBED)
    first = inside(run, asked, m.theta.clone(), m.layout)
    last = None if saved is None else at_the_end(run, m, asked, saved)
    return Measured(first, spread(asked.x), neighbours(run, m), last)


def at_the_end(run: Run, m: Material, asked: Curved, saved: Mapping[str, Any]) -> Last | None:
    """What is measured at the last theta; None where the network is not finite there."""
    memory = run.optimizer.restored(run.optimizer.start(m.theta, m.layout), moved(saved["memory"], m.device))
    m.theta.copy_(saved["theta"])
    for name, buffer in m.objective.buffers.items():
        buffer.copy_(saved["buffers"][name])
    judged = run.optimizer.eval_theta(m.theta, memory).clone()
    found = inside(run, asked, judged, m.layout)
    if not found.finite:
        return None
    try:
        with m.objective.evaluation(judged), torch.enable_grad():
            signal, noise = signal_and_noise(run, m, asked, judged)
            sharpness, slid = sharpest(asked, judged), slide(run, m, asked, judged)
        with m.objective.evaluation(m.theta), torch.enable_grad():
            reached = reach(run, m, asked, memory, saved["lr"], saved["step"] + 1)
    except Diverged:
        return None
    return Last(found, signal, noise, sharpness, slid, reached)


def inside(run: Run, asked: Curved, theta: Tensor, layout: Layout) -> Inside:
    """What happens in the network at theta, layer by layer."""
    found = activity(asked, theta)
    names: list[str] = []
    backward: list[float] = []
    with asked.evaluation(theta), torch.enable_grad():
        try:
            seen = asked.layers(theta, "data", 0)
            loss, gradient = seen.value, seen.gradient.norm().item()
            names = [each.weight for each in seen.layers]
            backward = [each.slopes.double().square().mean().sqrt().item() for each in seen.layers]
        except Diverged as error:
            loss, gradient = error.loss, error.norm
    weights = layout.named(theta)
    return Inside(
        loss=loss,
        gradient=gradient,
        first_bad=next((number for number, each in enumerate(found, 1) if not each.z.isfinite().all()), None),
        units=tuple(each.slope.shape[1] for each in found),
        dead=tuple(dead(each.slope) for each in found),
        saturated=tuple((each.slope.abs() < FLAT).double().mean().item() for each in found),
        gates=tuple(bool(((each.slope == 0) | (each.slope.abs() >= FLAT)).all()) for each in found),
        backward=tuple(backward),
        idle=idle(run, asked, theta),
        twins=tuple(twins(weights[name]) for name in dict.fromkeys(names[:-1])),
    )


def idle(run: Run, asked: Curved, theta: Tensor) -> float:
    """The share of the loss that comes from examples at whose scores it is flat, beside its slope at scores of 0."""
    with asked.evaluation(theta) as network:
        z = network(asked.x)
    losses, here = slopes(run, asked, z)
    _, usual = slopes(run, asked, torch.zeros_like(z))
    flat = here < IDLE * usual.square().mean().sqrt()
    return (losses[flat].sum() / losses.sum()).item()


def slopes(run: Run, asked: Curved, z: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of each example at scores z `[B, ...]`, and ||dL_i/dz||, both `[B]`."""
    z = z.clone().requires_grad_()
    with torch.enable_grad():
        losses = run.loss.values(z.unsqueeze(1), asked.y.unsqueeze(1))
        (slope,) = torch.autograd.grad(losses.sum(), z)
    return losses.detach(), slope.flatten(1).norm(dim=1)


def twins(weight: Tensor) -> float:
    """The share of the units of `weight [d_out, ...]` into which the same weights lead as into another one."""
    w = weight[:UNITS].flatten(1).double()
    if len(w) < 2:
        return 0.0
    # by differences: the way over products rounds at 1e-8 of the squares, far above a twin
    apart = torch.cdist(w, w, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(math.inf).min(1).values
    share: float = (apart <= TWIN * w.norm(dim=1).mean()).double().mean().item()
    return share


def spread(x: Tensor) -> Spread:
    """The scales of the columns of the inputs `[B, ...]`; columns that are constant tell nothing."""
    columns = x.flatten(1).double()
    squares, variances = columns.square().mean(0), columns.var(0, correction=0)
    moving = variances > 1e-12 * squares  # the rounding of a constant, as in preprocess
    if not moving.any():
        return Spread(1.0, 1.0)
    widest = squares[moving].max().item()
    return Spread(widest, widest / variances[moving].median().item())


def neighbours(run: Run, m: Material) -> dict[str, float]:
    """How the mean, or the majority, of the nearest training examples answers on the validation part.

    With numbers, what support vectors answer, too: where the target changes along many columns, the nearest of a
    thousand examples are not near, and their mean lies off the curve.
    """
    (x, y), (other, wanted) = some(m.train), some(m.validation)
    x, other = x.flatten(1).double(), other.flatten(1).double()
    deviation = x.std(0).clamp(min=1e-12)
    nearest = torch.cdist(other / deviation, x / deviation).topk(min(NEIGHBOURS, len(x)), largest=False).indices
    if y.is_floating_point():
        smooth = support_vectors(x / deviation, y, other / deviation)
        answers = {"loss": y[nearest].mean(1, keepdim=True), "vectors": smooth}
        return {name: run.loss.value(answer, wanted).item() for name, answer in answers.items()}
    return {"accuracy": (y[nearest].mode(1).values == wanted).double().mean().item(), **shares(run, y[nearest], wanted)}


def support_vectors(x: Tensor, y: Tensor, other: Tensor) -> Tensor:
    """What scikit-learn's support vector regression, by its defaults, answers to `other [M, d]`: `[M, 1]`."""
    from sklearn.svm import SVR  # here, since it takes a second

    mean, deviation = y.mean(), y.std(correction=0).clamp(min=1e-12)
    machine = SVR().fit(x.numpy(force=True), ((y - mean) / deviation).numpy(force=True))
    return mean + deviation * torch.from_numpy(machine.predict(other.numpy(force=True))).to(y).unsqueeze(1)


def shares(run: Run, nearest: Tensor, wanted: Tensor) -> dict[str, float]:
    """What the classes of the nearest examples `[B, k]` lose as an answer, each counted half an example more.

    (n_c + 1/2) / (k + C/2): with none added, a class that no neighbour has would lose infinitely. {} where the loss is
    of no probabilities.
    """
    classes = int(max(nearest.max(), wanted.max())) + 1
    counts = torch.stack([(nearest == c).sum(1) for c in range(classes)], 1) + 0.5
    found = of_shares(run.loss, counts / counts.sum(1, keepdim=True), wanted)
    return {"loss": found} if math.isfinite(found) else {}


def some(part: Part) -> tuple[Tensor, Tensor]:
    """The first examples of a part."""
    return part.rows(torch.arange(min(EXAMPLES, len(part))))


def signal_and_noise(run: Run, m: Material, asked: Curved, theta: Tensor) -> tuple[float, float]:
    """(||g||^2, trace of the covariance of the gradient of a mini-batch), the second 0 where there are no others."""
    whole = asked.value_and_grad(theta)[1].square().sum().item()
    size = run.sampler.size(len(m.train))
    if size >= len(m.train):
        return whole, 0.0
    drawn, together = numbers("noise"), max(size, LEAST)
    rows = [torch.randint(len(asked.y), (together,), generator=drawn).to(asked.y.device) for _ in range(DRAWS)]
    found = torch.stack([asked.among(each).value_and_grad(theta)[1].clone() for each in rows])
    return whole, found.var(0).sum().item() * together / size


def sharpest(asked: Curved, theta: Tensor) -> float:
    """The largest eigenvalue of the Hessian; nan where its products are not finite."""
    try:
        return float(lanczos(asked.hessian(theta), gaussian(theta, numbers("spectrum")), PRODUCTS).values[-1])
    except FloatingPointError:
        return math.nan


def loss_of(run: Run, m: Material, theta: Tensor, x: Tensor, y: Tensor) -> float:
    """The loss of some examples at theta, without a penalty."""
    with m.objective.evaluation(theta) as network:
        value: float = run.loss.value(network(x), y).item()
    return value


def slide(run: Run, m: Material, asked: Curved, theta: Tensor) -> Slid:
    """Where the losses lie on the way downhill from theta without any noise, by L-BFGS with a line search."""
    point = torch.nn.Parameter(theta.clone())
    rule = torch.optim.LBFGS([point], lr=1.0, max_iter=SLIDES, max_eval=2 * SLIDES, line_search_fn="strong_wolfe")
    judged = some(m.validation)

    def losses(theta: Tensor) -> tuple[float, float]:
        return loss_of(run, m, theta, asked.x, asked.y), loss_of(run, m, theta, *judged)

    lowest = asked.value(theta)
    before, val_before = losses(theta)
    least, val_least = before, val_before

    def closure() -> float:
        nonlocal lowest, least, val_least
        value, g = asked.value_and_grad(point.detach())
        point.grad = g.clone()
        if value < lowest:
            lowest = value
            now, val_now = losses(point.detach())
            least, val_least = min(least, now), min(val_least, val_now)
        return value

    try:
        rule.step(closure)  # type: ignore[no-untyped-call]
    except Diverged:
        pass  # a line search that went too far: what was found before it counts
    return Slid(before, least, val_before, val_least)


def reach(run: Run, m: Material, asked: Curved, memory: dict[str, Any], lr: float, t: int) -> float:
    """By how much one more step of the rule, on all the examples at once, could be longer and go on lowering the loss.

    nan where the rule does not move. Theta is as before.
    """
    before = m.theta.clone()
    run.optimizer.step(m.theta, memory, asked, lr, t)
    step = m.theta - before
    m.theta.copy_(before)
    if not step.any():
        return math.nan
    found = [(asked.value(before + length * step), length) for length in LENGTHS]
    return min(((value, length) for value, length in found if math.isfinite(value)), default=(0.0, 1.0))[1]
