from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from runner.core.errors import ConfigError, did_you_mean, shown
from runner.core.theta import Layout
from runner.optimizer.base import Asked, Optimizer, State


@final
@dataclass(frozen=True)
class Torch(Optimizer):
    """Any optimizer that is written for torch, named by its dotted path.

        theta <- as its class says, with torch.optim's conventions

    Its arguments stand beside `_target_` in the yaml or come with `+` on the command line:
    `optimizer=torch optimizer._target_=torch.optim.Adagrad +optimizer.lr_decay=0.01 lr=0.01`.
    It sees one parameter for each tensor of the network, with its gradient, and the learning rate of the step in its
    parameter groups. A rule that asks for a closure may call it as often as it likes; one with `train` and `eval` is
    judged by its parameters of `eval`.

    cls: the class, found through `_target_`
    arguments: what its constructor gets, beside the parameters and lr

    Source: torch.optim.
    Here: SparseAdam is refused, since every gradient here is dense, and so is a rule that differentiates the gradient
    once more (create_graph). torch's Muon takes matrices alone, so it needs a network without biases.
    """

    cls: type[Any] = torch.optim.SGD
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = inspect.signature(self.cls).parameters
        names = [name for name in known if name not in ("params", "lr", "self")]
        if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
            return
        for key, value in self.arguments.items():
            if key not in names:
                raise ConfigError(
                    key,
                    value,
                    allowed=f"the arguments of {self.cls.__name__}: {', '.join(names)}",
                    do=f"{did_you_mean(key, names)}remove it or use one of these",
                )

    @property
    def label(self) -> str:
        return " ".join([self.cls.__name__, *(f"{name}={shown(value)}" for name, value in self.arguments.items())])

    def make(self, parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        """The torch object; a value that it refuses becomes a `ConfigError` with its own words."""
        given = {"lr": lr} if "lr" in inspect.signature(self.cls).parameters else {}
        try:
            made: torch.optim.Optimizer = self.cls(parameters, **given, **self.converted())
        except Exception as error:  # of somebody else's class, which may raise anything
            raise self.refused(lr, str(error)) from None
        return made

    def tried(self) -> Torch:
        """This choice, after a step on a matrix and a vector: refused where that fails, as with rules that want a
        second derivative, a module or another optimizer, or where what it remembers does not fit into a checkpoint.
        """
        parameters = [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))]
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        live = self.make(parameters, lr=0.1)
        try:
            live.step(lambda: torch.zeros(())) if self.asks else live.step()  # type: ignore[arg-type,return-value]
            memory = live.state_dict()
        except Exception as error:  # likewise
            raise self.refused(0.1, str(error)) from None
        if kind := unkept(memory):
            raise self.refused(0.1, f"choose another: it remembers a {kind}, which a checkpoint does not hold")
        return self

    def refused(self, lr: float, why: str) -> ConfigError:
        return ConfigError("optimizer", self.named(lr), allowed=f"what {self.cls.__name__} takes", do=why)

    @property
    def asks(self) -> bool:
        """Whether a step of the class needs a closure."""
        closure = inspect.signature(self.cls.step).parameters.get("closure")
        return closure is not None and closure.default is inspect.Parameter.empty

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
        parameters = [nn.Parameter(view) for view in layout.views(theta)]
        live: Any = self.make(parameters, lr=1.0)
        if self.switches:
            live.train()
        return {"torch": live, "parameters": parameters, "layout": layout, "asks": self.asks}

    def step(self, theta: Tensor, state: State, objective: Asked, lr: float, t: int) -> None:
        live: torch.optim.Optimizer = state["torch"]
        for group in live.param_groups:
            group["lr"] = lr

        def closure() -> Any:
            value, g = objective.value_and_grad(theta)
            for parameter, view in zip(state["parameters"], state["layout"].views(g), strict=True):
                parameter.grad = view
            return theta.new_tensor(value)

        if state["asks"]:
            live.step(closure)
        else:
            closure()
            live.step()

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
        arguments = ", ".join(f"{name}={value!r}" for name, value in {"lr": lr, **self.converted()}.items())
        module = "torch.optim" if self.cls.__module__.startswith("torch.optim.") else self.cls.__module__
        return f"{module}.{self.cls.__name__}({arguments})"

    def saved(self, state: State) -> dict[str, Any]:
        return dict(state["torch"].state_dict())

    def restored(self, state: State, saved: Mapping[str, Any]) -> State:
        # load_state_dict keeps the tensors it is given, and two loads of one dictionary would share them.
        kept = deepcopy(dict(saved))
        state["torch"].load_state_dict(kept)
        # It also casts them to the dtype of the parameters, but a factor of NAdam is float32 beside any of them.
        for index, memory in kept.get("state", {}).items():
            if isinstance(index, int):  # of one parameter; what belongs to all of them has a name and is not cast
                state["torch"].state[state["parameters"][index]].update(memory)
        return state


def unkept(tree: Any) -> str:
    """The kind of the first thing in a state that is no number, text, tensor, list or dictionary; empty if all are.

    >>> unkept({0: [1.0, None, torch.zeros(2)]}), unkept({"a": {("b", 1): 2}}), unkept([torch.float32])
    ('', 'tuple as a key', 'dtype')
    """
    match tree:
        case None | bool() | int() | float() | str() | Tensor():
            return ""
        case dict():
            keys = next((f"{type(key).__name__} as a key" for key in tree if not isinstance(key, int | str)), "")
            return keys or next(filter(None, map(unkept, tree.values())), "")
        case list() | tuple():
            return next(filter(None, map(unkept, tree)), "")
        case _:
            return type(tree).__name__
