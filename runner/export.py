"""Out of the house: every optimizer of the menu as a `torch.optim.Optimizer`, in anybody's loop.

    >>> from torch import nn
    >>> from runner.optimizer.adam import Adam
    >>> network = nn.Linear(3, 1)
    >>> optimizer = as_torch(Adam(eps=1e-6), network.parameters(), lr=1e-3)
    >>> network(torch.ones(2, 3)).sum().backward()
    >>> optimizer.step()
    >>> optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["eps"]
    (0.001, 1e-06)

Parameter groups hold lr and the numbers of the rule, so each group may have its own (`{"params": biases,
"weight_decay": 0.0}`), and torch's schedulers, hooks, `state_dict` and `load_state_dict` do what they always do.

A rule for each element walks each tensor by itself, in place. A rule that looks at all parameters together (a norm, a
matrix, a point ahead) sees those of a group as one vector, which is copied in and out. Rules that ask for a gradient
at another point (`sam`, `nesterov_original`) need `step(closure)`, as torch's LBFGS does. Rules that judge by an
average (`ema`, `asgd`, `lookahead`, schedule-free ones) put it into the network with `with optimizer.judged(): ...`.
Rules that ask for more than gradients (losses at trial points, curvature, other examples) stay in the house: a loop of
anybody's cannot answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from runner.core.errors import ConfigError
from runner.core.theta import Layout, Slot
from runner.optimizer import base
from runner.optimizer.base import Optimizer, State

Closure = Callable[[], Any]
PLAIN = (bool, int, float, str, tuple)  # arguments that a parameter group may hold: not the rule inside a wrapper


def as_torch(rule: Optimizer, params: ParamsT, lr: float) -> Exported:
    """`rule` for these parameters, tensors or groups, with learning rate `lr` where a group has none of its own."""
    return Exported(rule, params, lr)


class Exported(torch.optim.Optimizer):
    """A rule of the menu behind torch's interface; see the text of this module."""

    def __init__(self, rule: Optimizer, params: ParamsT, lr: float | Tensor) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0:
            raise ValueError(f"lr={lr} is refused: a number from 0 is wanted")
        if rule.needs:
            raise ConfigError(
                "rule",
                rule.label,
                allowed="outside of this program, a rule that asks for gradients alone; this one also needs "
                + ", ".join(rule.needs),
                do="train with optrun, or choose Adam(), say",
            )
        self._rule = rule
        numbers = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
        super().__init__(params, {"lr": lr} | {k: v for k, v in numbers.items() if isinstance(v, PLAIN)})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        self._rule_of(self.param_groups[-1])  # refuses a number out of its range, before any step
        if any(p.is_complex() for p in self.param_groups[-1]["params"]):
            raise ValueError("complex parameters are refused: give torch.view_as_real(p) a parameter of its own")

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Any:
        """One step of every parameter that has a gradient; returns what `closure` returned first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            rule = self._rule_of(group)
            with_gradient = [p for p in group["params"] if p.grad is not None]
            for parameters in [[p] for p in with_gradient] if rule.separable else [with_gradient]:
                if any(p.numel() for p in parameters):
                    self._move(rule, parameters, float(group["lr"]), closure)
        return loss

    def _move(self, rule: Optimizer, parameters: list[Tensor], lr: float, closure: Closure | None) -> None:
        vector = Vector(parameters)
        state, t = self._remembered(rule, vector)
        rule.step(vector.theta, state, Asked(vector, closure), lr, t + 1)
        vector.write()
        self._remember(rule, vector, state, t + 1)

    def _remembered(self, rule: Optimizer, vector: Vector) -> tuple[State, int]:
        """The state of a vector of parameters, put together from those of its tensors, and the steps that it made."""
        kept = [self.state[p] for p in vector.parameters]
        if any("memory" not in each for each in kept):
            return rule.start(vector.theta, vector.layout), 0
        memory, t = [each["memory"] for each in kept], int(kept[0]["step"])
        if rule.separable:  # of one tensor: its vectors are changed where they are
            return {k: v.view(-1) if isinstance(v, Tensor) else v for k, v in memory[0].items()}, t
        fresh = rule.start(vector.theta, vector.layout)
        return rule.restored(fresh, joined(rule.saved(fresh), memory, vector.layout)), t

    def _remember(self, rule: Optimizer, vector: Vector, state: State, t: int) -> None:
        saved = rule.saved(state)
        for place, (p, slot) in enumerate(zip(vector.parameters, vector.layout.slots, strict=True)):
            self.state[p]["step"] = torch.tensor(float(t))
            self.state[p]["memory"] = split(saved, vector.layout.size, slot, first=place == 0)

    @contextmanager
    def judged(self) -> Iterator[None]:
        """The parameters to judge by in the network, for as long as the block lasts."""
        walked = []
        with torch.no_grad():
            for group in self.param_groups:
                rule = self._rule_of(group)
                known = [p for p in group["params"] if "memory" in self.state.get(p, {})]
                for parameters in [[p] for p in known] if rule.separable else [known] if known else []:
                    vector = Vector(parameters)
                    kept = vector.theta.clone()
                    state, _ = self._remembered(rule, vector)
                    vector.theta.copy_(rule.eval_theta(vector.theta, state))
                    vector.write()
                    walked.append((vector, kept))
        try:
            yield
        finally:
            with torch.no_grad():
                for vector, kept in walked:
                    vector.theta.copy_(kept)
                    vector.write()

    def _rule_of(self, group: dict[str, Any]) -> Optimizer:
        """The rule with the numbers of a group."""
        names = {field.name for field in dataclasses.fields(self._rule)}
        given = {name: value for name, value in group.items() if name in names}
        if all(getattr(self._rule, name) == value for name, value in given.items()):
            return self._rule
        return dataclasses.replace(self._rule, **given)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(deepcopy(state_dict))  # torch keeps the tensors it is given; ours change in place

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_rule": self._rule}


class Vector:
    """Some parameters and their gradients as one vector each, in the tensor's own memory where there is one tensor."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self.parameters = parameters
        sizes = [p.numel() for p in parameters]
        places = [sum(sizes[:i]) for i in range(len(sizes))]
        self.layout = Layout(
            tuple(
                Slot(str(i), tuple(p.shape), place, size)
                for i, (p, place, size) in enumerate(zip(parameters, places, sizes, strict=True))
            )
        )
        self.theta = flat([p.detach() for p in parameters])

    def gradient(self) -> Tensor:
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad.detach() for p in self.parameters]
        if any(g.layout is not torch.strided for g in gradients):
            raise RuntimeError("sparse gradients are refused: use torch.optim.SparseAdam, or sparse=False")
        return flat(gradients)

    def write(self) -> None:
        """theta into the parameters, where it is a copy of them."""
        for p, view in zip(self.parameters, self.layout.views(self.theta), strict=True):
            if p.data_ptr() != view.data_ptr():
                p.copy_(view)


def flat(tensors: list[Tensor]) -> Tensor:
    """The tensors as one vector: a view of a single contiguous one, else a copy."""
    (first, *others) = tensors
    return torch.cat([each.reshape(-1) for each in tensors]) if others else first.reshape(-1)


class Asked(base.Asked):
    """What a rule may ask of anybody's loop: the gradient at hand, and elsewhere whatever the closure says."""

    def __init__(self, vector: Vector, closure: Closure | None) -> None:
        self.vector, self.closure = vector, closure

    def value(self, theta: Tensor) -> float:
        return self.value_and_grad(theta)[0]

    @torch.no_grad()
    def value_and_grad(self, theta: Tensor) -> tuple[float, Tensor]:
        if theta is self.vector.theta:
            return float("nan"), self.vector.gradient()  # the loss was the business of the loop
        if self.closure is None:
            raise RuntimeError("this rule asks for gradients at another point: call step(closure)")
        here = self.vector.theta.clone()
        self.vector.theta.copy_(theta)
        self.vector.write()
        try:
            with torch.enable_grad():
                value = self.closure()
            return float(value.detach() if isinstance(value, Tensor) else value), self.vector.gradient().clone()
        finally:
            self.vector.theta.copy_(here)
            self.vector.write()


def split(memory: Any, size: int, slot: Slot, first: bool) -> Any:
    """A parameter's part of a state; what belongs to all parameters goes to the first."""
    if isinstance(memory, Tensor) and memory.shape == (size,):
        return memory.narrow(0, slot.offset, slot.size).view(slot.shape)
    if isinstance(memory, dict):
        return {name: split(item, size, slot, first) for name, item in memory.items()}
    return memory if first else None


def joined(form: Any, parts: list[Any], layout: Layout) -> Any:
    """The state of a vector from those of its parameters; `form` is a state of the same shape."""
    if isinstance(form, Tensor) and form.shape == (layout.size,):
        return flat(parts)
    if isinstance(form, dict) and form.keys() == parts[0].keys():
        return {name: joined(item, [part[name] for part in parts], layout) for name, item in form.items()}
    return parts[0]
