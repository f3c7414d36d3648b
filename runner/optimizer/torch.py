from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.core.curvature import Curved
from runner.core.errors import ConfigError, Diverged, did_you_mean, shown
from runner.core.streams import seed_of
from runner.core.theta import Layout, adopt
from runner.foreign.driving import INNER, OURS, Way, drawing, drawn, forms, module_of, ways
from runner.foreign.kept import Unkept, lively, plain
from runner.optimizer.base import Asked, Optimizer, State


@final
@dataclass(frozen=True)
class Torch(Optimizer):
    """Any optimizer that is written for torch, named by its dotted path.

        theta <- as its class says, with torch.optim's conventions

    Its arguments stand beside `_target_` in the yaml or come with `+` on the command line:
    `optimizer=torch optimizer._target_=torch.optim.Adagrad +optimizer.lr_decay=0.01 lr=0.01`.
    It sees one parameter for each tensor of the network, with its gradient, and the learning rate of the step in its
    parameter groups. A rule that asks for a closure may call it as often as it likes; one that differentiates the
    gradient once more (AdaHessian) is given gradients with a graph; one with `train` and `eval` is judged by its
    parameters of `eval`. One that wants `use_muon` in its groups gets the matrices in one and the rest in another,
    whose rate is its argument `adamw_lr`, whatever the schedule says. One that goes around another optimizer is given
    that by its path: `+optimizer.base_optimizer._target_=torch.optim.SGD`. What it draws at random comes from a stream
    of the initial parameters and the number of the step.

    cls: the class, found through `_target_`
    arguments: what its constructor gets, beside the parameters and lr

    Source: torch.optim.
    Here: SparseAdam is refused, since every gradient here is dense, and so is what updates inside of the backward pass.
    torch's Muon takes matrices alone, so it needs a network without biases. What a rule asks of a gradient's graph is
    not counted.
    """

    cls: type[Any] = torch.optim.SGD
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = inspect.signature(self.cls).parameters
        names = [name for name in known if name not in OURS]
        for key, value in self.arguments.items():
            if key in INNER and key in names and not isinstance(value, Torch):
                raise ConfigError(
                    key, value, allowed="an optimizer that is written for torch", do=around(f"optimizer.{key}")
                )
            if not all(math.isfinite(number) for number in numbers_in(value)):
                raise ConfigError(key, value, allowed="finite numbers", do=f"give {key}=... a finite number")
            if key not in names and not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
                raise ConfigError(
                    key,
                    value,
                    allowed=f"the arguments of {self.cls.__name__}: {', '.join(names)}",
                    do=f"{did_you_mean(key, names)}remove it or use one of these",
                )

    @property
    def label(self) -> str:
        given = {name: v.label if isinstance(v, Torch) else shown(v) for name, v in self.arguments.items()}
        return " ".join([self.cls.__name__, *(f"{name}={text}" for name, text in given.items())])

    def make(self, parameters: dict[str, nn.Parameter], lr: float) -> Any:
        """The torch object; what it refuses becomes a `ConfigError` with its own words."""
        known = list(inspect.signature(self.cls).parameters)
        supplied = self.converted() | {"lr": lr, "model": module_of(parameters)}
        for name in INNER:
            if isinstance(inner := self.arguments.get(name), Torch):
                supplied[name] = inner.make(parameters, lr) if name == known[0] else partial(inner.called, lr=lr)
        taken = {name: supplied[name] for name in (*self.arguments, *known[1:]) if name in supplied}
        errors = []
        for params in forms(parameters):
            first = supplied.get(known[0], params)
            also = {"params": params} if "params" in known[1:] else {}
            try:
                made = self.cls(first, **{name: v for name, v in (taken | also).items() if name != known[0]})
            except Exception as error:  # of somebody else's class, which may raise anything
                errors.append(error)
                continue
            if self.switches:
                made.train()
            return made
        raise self.refused(lr, self.lacking() or str(errors[-1])) from None

    def called(self, params: Any, lr: float, **rest: Any) -> Any:
        """The torch object as another optimizer's class makes it, from groups and whatever it passes on."""
        return self.cls(params, **{"lr": lr} | rest | self.converted())

    def lacking(self) -> str:
        """What to do about an argument that the class wants and was not given; empty if there is none."""
        known = inspect.signature(self.cls).parameters
        for name in known:
            if name in INNER and name not in self.arguments and known[name].default is inspect.Parameter.empty:
                return f"{self.cls.__name__} goes around another optimizer: {around(f'optimizer.{name}')}"
        for name, wanted in list(known.items())[1:]:
            named = wanted.kind in (wanted.POSITIONAL_OR_KEYWORD, wanted.KEYWORD_ONLY)
            if named and wanted.default is wanted.empty and name not in (*self.arguments, *OURS):
                return f"give +optimizer.{name}=..., for which {self.cls.__name__} has no default"
        return ""

    def tried(self) -> Torch:
        """This choice, after some steps of a small network: refused where that fails, as with rules for sparse
        gradients, or where it would not go on from a checkpoint as it was.
        """
        self.goes_on(self.way(), torch.float32)
        return self

    def way(self) -> Way:
        """How the class is driven: the first way in which it works, with vectors or else with matrices alone."""
        errors = []
        for matrices in (False, True):
            for way in ways(self.cls):
                try:
                    return self.cheapest(replace(way, matrices=matrices))
                except Exception as error:  # of somebody else's class
                    errors.append(error)
        # Of those with vectors the last, which gives the class most: so its complaint is about something else.
        last = errors[len(errors) // 2 - 1]
        raise last if isinstance(last, ConfigError) else self.refused(TRIED, in_words(last))

    def cheapest(self, way: Way) -> Way:
        """This way if it works; without a gradient at hand where those that the closure gives come to the same."""
        after, draws = self.after(way)
        if way.closure:
            asking = replace(way, before=False)
            with suppress(Exception):  # of somebody else's class, which misses the gradient at hand
                way = asking if torch.equal(self.after(asking)[0], after) else way
        return replace(way, draws=draws)

    def after(self, way: Way) -> tuple[Tensor, bool]:
        """theta after two steps of a small network, and whether they drew random numbers."""
        with drawing(0, torch.device("cpu")):
            trial = Trial(self, way)
            before = drawn()
            trial.steps(1, 2)
            return trial.theta, drawn() != before

    def goes_on(self, way: Way, dtype: torch.dtype) -> None:
        """Refuse a class that fails in this dtype, or goes on from a checkpoint otherwise than it would have done."""
        whole, again = Trial(self, way, dtype), Trial(self, way, dtype)
        try:
            whole.steps(1, 2)
            kept = deepcopy(self.saved(whole.state))
            again.theta.copy_(whole.theta)
            again.state = self.restored(again.state, kept)
            whole.steps(3, 4)
            again.steps(3, 4)
        except Unkept as error:
            why = f"choose another: it remembers a {error}, which a checkpoint does not hold"
            raise self.refused(TRIED, why) from None
        except Exception as error:  # of somebody else's class
            raise self.refused(TRIED, in_words(error)) from None
        if not torch.equal(whole.theta.nan_to_num(), again.theta.nan_to_num()):  # an argument may make any rule diverge
            raise self.refused(TRIED, "choose another: its state_dict() lacks some of what its next step depends on")

    def refused(self, lr: float, why: str) -> ConfigError:
        return ConfigError("optimizer", self.named(lr), allowed=f"what {self.cls.__name__} takes", do=why)

    @property
    def switches(self) -> bool:
        """Whether the class has its parameters in two modes, to train with and to judge by."""
        return {"train", "eval"} <= set(dir(self.cls))

    def converted(self) -> dict[str, Any]:
        """The arguments as torch wants them: tuples for lists, and in betas floats, since it refuses a mixture."""
        plain = {name: tuple(value) if isinstance(value, list) else value for name, value in self.arguments.items()}
        if isinstance(betas := plain.get("betas"), tuple):
            plain["betas"] = tuple(float(beta) if type(beta) is int else beta for beta in betas)
        return plain

    def start(self, theta: Tensor, layout: Layout) -> State:
        way = self.way()
        if way.matrices and (rest := [slot.name for slot in layout.slots if len(slot.shape) != 2]):
            some = ", ".join(rest[:3]) + (", ..." if len(rest) > 3 else "")
            raise ConfigError(
                "optimizer",
                self.label,
                allowed=f"a network of matrices alone; this one has {some} as well",
                do="choose optimizer=muon, which moves the rest by AdamW, or a network without biases",
            )
        if theta.dtype != torch.float32:  # in which it was tried when it was chosen
            self.goes_on(way, theta.dtype)
        return self.begun(theta, layout, way)

    def begun(self, theta: Tensor, layout: Layout, way: Way) -> State:
        """The state before the first step, for a way to be driven."""
        views = layout.named(theta)
        parameters = {name: nn.Parameter(view) for name, view in views.items()}
        live, seed = self.make(parameters, lr=1.0), seed_of(theta)
        return {"torch": live, "parameters": list(parameters.values()), "layout": layout, "way": way, "seed": seed}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        live, parameters, layout, way = state["torch"], state["parameters"], state["layout"], state["way"]
        for group in live.param_groups:
            if group.get("use_muon", True):
                group["lr"] = lr

        @torch.enable_grad()
        def gradient() -> Tensor:
            if way.graph:
                value, gradients = objective.value_and_graph(parameters)
            else:
                value, g = objective.value_and_grad(theta)
                gradients = layout.views(g.clone() if way.closure else g)  # the next call writes where g lies
            for parameter, g in zip(parameters, gradients, strict=True):
                parameter.grad = g
            return theta.new_tensor(value)

        with way.noise(state["seed"], t, theta.device):
            way.drive(live, gradient)
        if way.graph:
            for parameter in parameters:
                parameter.grad = None  # its graph holds the parameter, which holds it: never freed otherwise

    def eval_theta(self, theta: Tensor, state: State) -> Tensor:
        if not self.switches:
            return theta
        kept = theta.clone()
        state["torch"].eval()
        judged = theta.clone()
        state["torch"].train()
        theta.copy_(kept)  # there and back rounds, and judging must not change the training
        return judged

    def rule(self, lr: float) -> str:
        return f"as {self.named(lr)} does"

    def equivalent_to(self, lr: float) -> str:
        return self.named(lr)

    def named(self, lr: float) -> str:
        """The call of the constructor."""
        given = {name: v.cls.__name__ if isinstance(v, Torch) else repr(v) for name, v in self.converted().items()}
        arguments = ", ".join(f"{name}={text}" for name, text in {"lr": repr(lr), **given}.items())
        module = "torch.optim" if self.cls.__module__.startswith("torch.optim.") else self.cls.__module__
        return f"{module}.{self.cls.__name__}({arguments})"

    def saved(self, state: State) -> dict[str, Any]:
        memory: dict[str, Any] = plain(dict(state["torch"].state_dict()))
        return memory

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        # load_state_dict keeps the tensors it is given, and two loads of one dictionary would share them.
        kept = deepcopy(lively(dict(saved)))
        live = state["torch"]
        live.load_state_dict(kept)
        # It also casts them to the dtype of the parameters, but a factor of NAdam is float32 beside any of them.
        parameters = [p for group in live.param_groups for p in group["params"]]
        for index, memory in kept.get("state", {}).items():
            if isinstance(index, int):  # of one parameter; what belongs to all of them has a name and is not cast
                live.state[parameters[index]].update(memory)
        return state


TRIED = 0.1  # the rate of the trial, small beside the curvature there


class Trial:
    """Steps of a class on a small network, by a way to be driven."""

    def __init__(self, rule: Torch, way: Way, dtype: torch.dtype = torch.float32) -> None:
        with drawing(0, torch.device("cpu")):  # else its initialization would draw from the global generator
            module = nn.Linear(2, 2, bias=not way.matrices, dtype=dtype)
        self.rule = rule
        self.theta, layout = adopt(module)
        self.theta.copy_(torch.linspace(-1, 1, layout.size))
        self.objective = Curved(module, F.mse_loss, self.theta, layout)
        x = torch.tensor([[1.0, 0.5], [-0.5, 1.0], [0.2, -0.8]], dtype=dtype)
        self.objective.on(x, torch.ones(3, 2, dtype=dtype))
        self.state = rule.begun(self.theta, layout, way)

    def steps(self, first: int, last: int) -> None:
        """Steps `first` to `last`, or as many as stay finite."""
        with suppress(Diverged):
            for t in range(first, last + 1):
                self.rule.step(self.theta, self.state, self.objective, TRIED, t)


def numbers_in(value: Any) -> list[float]:
    """The floats of an argument: itself, or those of a list."""
    return [each for each in (value if isinstance(value, list | tuple) else [value]) if isinstance(each, float)]


def in_words(error: Exception) -> str:
    """What somebody else's error says, which may be nothing.

    >>> in_words(ValueError("no")), in_words(NotImplementedError())
    ('no', 'choose another: a step of it ends in NotImplementedError')
    """
    return str(error) or f"choose another: a step of it ends in {type(error).__name__}"


def around(key: str) -> str:
    """How to name the optimizer inside of another one."""
    return f"give +{key}._target_=torch.optim.SGD, say"
