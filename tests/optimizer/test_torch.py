"""Any optimizer that is written for torch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.core.curvature import Curved
from runner.core.errors import ConfigError
from runner.core.theta import adopt
from runner.foreign.driving import Way
from runner.optimizer.base import State
from runner.optimizer.clip_norm import ClipNorm
from runner.optimizer.torch import Torch
from runner.store.checkpoint import decode, encode
from tests.optimizer.problems import Quadratic, apart, batches, descend, flat, network, trained, trained_by_hand

O = torch.optim  # noqa: E741
CLASSES: list[tuple[type[O.Optimizer], dict[str, Any]]] = [
    (O.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (O.Adam, {"betas": [0, 0.999]}),
    (O.AdamW, {"amsgrad": True}),
    (O.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    (O.RMSprop, {"centered": True, "momentum": 0.9}),
    (O.NAdam, {}),
    (O.RAdam, {}),
    (O.Adadelta, {}),
    (O.Adamax, {}),
    (O.ASGD, {}),
    (O.Rprop, {}),
    (O.Adafactor, {}),
    (O.LBFGS, {"history_size": 5, "max_iter": 4}),
    (O.LBFGS, {"line_search_fn": "strong_wolfe", "max_iter": 5}),
]
each_class = pytest.mark.parametrize(
    ("cls", "arguments"), CLASSES, ids=[" ".join([cls.__name__, *map(str, a)]) for cls, a in CLASSES]
)


def rates(t: int) -> float:
    return 0.05 / t


def plain(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments | ({"betas": (0.0, 0.999)} if "betas" in arguments else {})


def test_every_optimizer_of_torch_that_fits_any_network_is_tried_here() -> None:
    there = {name for name in dir(O) if isinstance(getattr(O, name), type)} - {"Optimizer"}
    # SparseAdam takes sparse gradients alone, Muon matrices alone.
    assert {cls.__name__ for cls, _ in CLASSES} == there - {"SparseAdam", "Muon"}


# The same kernels in the same order; only the addresses of the tensors differ, and with them at most a last bit.
@each_class
def test_ten_steps_are_those_of_the_optimizer_driven_by_hand(cls: type[O.Optimizer], arguments: dict[str, Any]) -> None:
    rule = Torch(cls=cls, arguments=arguments)
    by_hand = trained_by_hand(lambda p: cls(p, lr=0.1, **plain(arguments)), rates, 10)  # type: ignore[call-arg]
    assert apart(trained(rule, rates, 10), by_hand) < 1e-12


class Training:
    """Ten steps that can be cut in two."""

    def __init__(self, rule: Torch, dtype: torch.dtype) -> None:
        self.rule = rule
        self.module = network(dtype)
        self.theta, self.layout = adopt(self.module)
        self.objective = Curved(self.module, F.cross_entropy, self.theta, self.layout)
        self.state: State = rule.start(self.theta, self.layout)
        self.dtype = dtype

    def steps(self, first: int, last: int) -> None:
        for t, (x, y) in zip(range(1, last + 1), batches(self.dtype), strict=False):
            if t >= first:
                self.objective.on(x, y)
                self.rule.step(self.theta, self.state, self.objective, rates(t), t)

    def take_up(self, theta: Tensor, saved: dict[str, Any]) -> None:
        self.theta.copy_(theta)
        self.state = self.rule.restored(self.state, saved)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@each_class
def test_a_state_that_went_through_a_checkpoint_goes_on_bit_for_bit(
    cls: type[O.Optimizer], arguments: dict[str, Any], dtype: torch.dtype
) -> None:
    rule = Torch(cls=cls, arguments=arguments)
    whole = Training(rule, dtype)
    whole.steps(1, 10)
    before = Training(rule, dtype)
    before.steps(1, 5)
    kept = decode(encode({"theta": before.theta, "memory": rule.saved(before.state)}))
    after = Training(rule, dtype)
    after.take_up(kept["theta"], kept["memory"])
    after.steps(6, 10)
    assert not torch.equal(before.theta, whole.theta)
    assert torch.equal(after.theta, whole.theta)


@each_class
def test_two_that_are_restored_from_one_state_go_their_own_ways(
    cls: type[O.Optimizer], arguments: dict[str, Any]
) -> None:
    rule = Torch(cls=cls, arguments=arguments)
    first = Training(rule, torch.float64)
    first.steps(1, 5)
    kept = {"theta": first.theta.clone(), "memory": copy.deepcopy(rule.saved(first.state))}
    as_kept = encode(kept)
    one, other = Training(rule, torch.float64), Training(rule, torch.float64)
    one.take_up(kept["theta"], kept["memory"])
    other.take_up(kept["theta"], kept["memory"])
    one.steps(6, 10)
    assert encode(kept) == as_kept
    other.steps(6, 10)
    assert torch.equal(one.theta, other.theta)


def test_the_parameters_of_the_torch_object_are_the_tensors_of_theta() -> None:
    module = network()
    theta, layout = adopt(module)
    state = Torch().start(theta, layout)
    (group,) = state["torch"].param_groups
    assert [p.shape for p in group["params"]] == [p.shape for p in module.parameters()]
    assert [p.data_ptr() for p in group["params"]] == [p.data_ptr() for p in module.parameters()]


def test_a_rule_that_asks_for_a_closure_may_ask_as_often_as_it_likes_and_others_ask_once() -> None:
    for rule, asked in [
        (Torch(cls=O.LBFGS, arguments={"max_iter": 4}), 4),
        (Torch(cls=O.Adam), 1),
    ]:
        training = Training(rule, torch.float64)
        training.steps(1, 1)
        assert training.objective.counts.backward == asked * 6  # examples


BOWL = Quadratic(torch.tensor([1.0, 2.0]), torch.tensor([0.5, -0.5]))


class Bare(O.Optimizer):
    """One whose `step` takes no closure and which has its learning rate in the group alone."""

    def __init__(self, params: Any, decay: float = 0.5) -> None:
        super().__init__(params, {"lr": 1.0, "decay": decay})

    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data -= group["lr"] * group["decay"] * parameter.grad


class Open(Bare):
    """One that takes any argument."""

    def __init__(self, params: Any, **rest: Any) -> None:
        super().__init__(params, rest["strength"])


def test_an_optimizer_without_a_closure_and_without_lr_in_its_constructor_is_driven_too() -> None:
    found = descend(Torch(cls=Bare, arguments={"decay": 0.25}), BOWL, torch.zeros(2), 0.1, 1)
    # theta = -lr * decay * g, g = h (0 - minimum) = (-0.5, 1)
    assert found.tolist() == pytest.approx([0.1 * 0.25 * 0.5, -0.1 * 0.25 * 1.0], rel=1e-6)  # float32


def test_an_optimizer_that_takes_any_argument_is_given_it() -> None:
    state = Torch(cls=Open, arguments={"strength": 0.125}).start(torch.zeros(2), flat(2))
    assert state["torch"].defaults["decay"] == 0.125


def refused(cls: type[O.Optimizer], arguments: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        Torch(cls=cls, arguments=arguments).make({"weight": nn.Parameter(torch.zeros(2, 2))}, 0.1)
    return str(caught.value)


def test_an_argument_that_the_class_does_not_have_is_refused() -> None:
    assert refused(O.Adagrad, {"lr_deacy": 0.01}) == (
        "lr_deacy=0.01 is refused\n"
        "  allowed: the arguments of Adagrad: lr_decay, weight_decay, initial_accumulator_value, eps, foreach, "
        "maximize, differentiable, fused\n"
        "  do this: did you mean lr_decay? remove it or use one of these"
    )
    assert refused(Bare, {"lr": 0.1}).startswith("lr=0.1 is refused\n  allowed: the arguments of Bare: decay\n")


@pytest.mark.parametrize(
    ("arguments", "call", "words"),
    [
        ({"betas": [0.9, 1]}, "Adam(lr=0.1, betas=(0.9, 1.0))", "Invalid beta parameter at index 1: 1.0"),
        ({"betas": 5}, "Adam(lr=0.1, betas=5)", "'int' object is not subscriptable"),
        (
            {"weight_decay": "x"},
            "Adam(lr=0.1, weight_decay='x')",
            "'<=' not supported between instances of 'float' and 'str'",
        ),
        (
            {"foreach": True, "fused": True},
            "Adam(lr=0.1, foreach=True, fused=True)",
            "`fused` and `foreach` cannot be `True` together.",
        ),
    ],
)
def test_a_value_that_torch_refuses_is_refused_with_its_words(arguments: dict[str, Any], call: str, words: str) -> None:
    assert refused(O.Adam, arguments) == (
        f"optimizer=torch.optim.{call} is refused\n  allowed: what Adam takes\n  do this: {words}"
    )


def test_it_is_told_by_the_call_of_its_constructor() -> None:
    rule = Torch(cls=O.Adam, arguments={"betas": [0, 0.999], "amsgrad": True})
    assert rule.equivalent_to(0.1) == "torch.optim.Adam(lr=0.1, betas=(0.0, 0.999), amsgrad=True)"
    assert rule.rule(0.1) == "as torch.optim.Adam(lr=0.1, betas=(0.0, 0.999), amsgrad=True) does"
    assert rule.label == "Adam betas=[0,0.999] amsgrad=true"
    assert Torch(cls=Bare).equivalent_to(0.1) == f"{__name__}.Bare(lr=0.1)"


def test_an_optimizer_that_cannot_work_with_dense_gradients_is_refused_before_any_training() -> None:
    with pytest.raises(ConfigError) as caught:
        Torch(cls=O.SparseAdam).tried()
    assert str(caught.value) == (
        "optimizer=torch.optim.SparseAdam(lr=0.1) is refused\n  allowed: what SparseAdam takes\n"
        "  do this: SparseAdam does not support dense gradients, please consider Adam instead"
    )
    assert Torch(cls=O.LBFGS).tried() == Torch(cls=O.LBFGS)


class Twice(Bare):
    """Newton's step on a quadratic whose Hessian is a multiple of the identity: it differentiates the gradient."""

    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                (h,) = torch.autograd.grad(parameter.grad.sum(), parameter, retain_graph=True)
                parameter.data -= group["lr"] * parameter.grad.detach() / (h + 1e-12)


class Bowl(nn.Module):
    """L = 2 |theta - 1|^2, whatever its input."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return 2 * (self.theta - 1).square()


def test_an_optimizer_that_differentiates_the_gradient_is_given_one_with_a_graph() -> None:
    rule = Torch(cls=Twice).tried()
    assert rule.way() == Way(graph=True)
    theta, layout = adopt(module := Bowl())
    objective = Curved(module, lambda output, y: output.sum(), theta, layout)
    state = rule.start(theta, layout)
    objective.on(theta.new_zeros(1), theta.new_zeros(1))
    rule.step(theta, state, objective, 0.5, 1)
    assert theta.tolist() == pytest.approx([0.5] * 3, rel=1e-11)  # half of the way; h is 4, and 1e-12 beside it
    assert [parameter.grad for parameter in state["parameters"]] == [None]


def test_a_wrapper_that_changes_gradients_refuses_a_rule_that_differentiates_them() -> None:
    rule = ClipNorm(inner=Torch(cls=Twice))
    theta, layout = adopt(module := Bowl())
    objective = Curved(module, lambda output, y: output.sum(), theta, layout)
    objective.on(theta.new_zeros(1), theta.new_zeros(1))
    with pytest.raises(ConfigError) as caught:
        rule.step(theta, rule.start(theta, layout), objective, 0.5, 1)
    assert str(caught.value) == (
        "optimizer is refused\n"
        "  allowed: inside a rule that changes gradients, one that asks for values and gradients alone\n"
        "  do this: take the wrapper away, or choose another rule inside it"
    )


class Noisy(Bare):
    """One that draws from torch's global generator."""

    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data -= group["lr"] * torch.randn_like(parameter)


def test_what_an_optimizer_draws_hangs_on_the_start_and_on_the_step_and_leaves_the_generator_alone() -> None:
    rule, before = Torch(cls=Noisy).tried(), torch.get_rng_state()
    assert rule.way() == Way(draws=True)

    def walked(start: float, t: int) -> Tensor:
        theta = torch.tensor([start, 0.0])
        rule.step(theta, rule.start(theta, flat(2)), BOWL, 0.1, t)
        return theta - torch.tensor([start, 0.0])

    assert torch.equal(walked(0.0, 1), walked(0.0, 1))
    assert not torch.allclose(walked(0.0, 1), walked(0.0, 2))
    assert not torch.allclose(walked(0.0, 1), walked(1.0, 1))
    assert torch.equal(torch.get_rng_state(), before)


class Late(Bare):
    """One that wants a gradient at hand and a closure for the next, and says so in its step alone."""

    def step(self, closure: Any = None) -> None:
        if closure is None:
            raise RuntimeError("a closure is wanted")
        for group in self.param_groups:
            before = [parameter.grad for parameter in group["params"]]
            closure()
            for parameter, g in zip(group["params"], before, strict=True):
                parameter.data -= group["lr"] * (0 * parameter if g is None else g + parameter.grad)


class Asking(Bare):
    """One that asks its closure for every gradient, and says so in its step alone."""

    def step(self, closure: Any = None) -> None:
        if closure is None:
            raise RuntimeError("a closure is wanted")
        with torch.no_grad():  # which must not keep the closure from its gradient
            closure()
        super().step()


@pytest.mark.parametrize(("cls", "way"), [(Late, Way(closure=True)), (Asking, Way(closure=True, before=False))])
def test_a_gradient_is_at_hand_beside_a_closure_where_that_makes_a_difference(cls: type[Any], way: Way) -> None:
    rule = Torch(cls=cls).tried()
    assert rule.way() == way
    training = Training(rule, torch.float64)
    training.steps(1, 1)
    assert training.objective.counts.backward == 6 * (1 + way.before)  # examples


class Switching(Bare):
    """One that is judged by a third of its parameters."""

    def train(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.data *= 3

    def eval(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.data /= 3


def test_an_optimizer_with_two_modes_is_judged_in_one_and_trains_in_the_other_untouched() -> None:
    rule, theta = Torch(cls=Switching), torch.tensor([0.1, 0.7])
    state = rule.start(theta, flat(2))  # in the mode to train with
    rule.step(theta, state, BOWL, 0.1, 1)
    kept = theta.clone()
    assert torch.equal(rule.eval_theta(theta, state), kept / 3)
    assert torch.equal(theta, kept)
    assert Torch(cls=Bare).eval_theta(theta, {}) is theta


class Hoarder(torch.optim.SGD):
    """Remembers an object of a class of its own."""

    def step(self, closure: Any = None) -> None:
        super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["kernel"] = object()


class Forgetful(torch.optim.SGD):
    """Remembers its last rate where no state_dict() finds it."""

    last = 0.0

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            group["lr"], self.last = group["lr"] + self.last, group["lr"]
        super().step(closure)


class Single(torch.optim.SGD):
    """Works in float32 alone."""

    def step(self, closure: Any = None) -> None:
        if any(parameter.dtype != torch.float32 for group in self.param_groups for parameter in group["params"]):
            raise ArithmeticError("single precision only")
        super().step(closure)


class Square(torch.optim.SGD):
    """Works on matrices only, and says so with an error of its own."""

    def step(self, closure: Any = None) -> None:
        if any(parameter.ndim < 2 for group in self.param_groups for parameter in group["params"]):
            raise ArithmeticError("matrices only")
        super().step(closure)


class Mute(torch.optim.Optimizer):
    """Has no step at all."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (Hoarder, "choose another: it remembers a object, which a checkpoint does not hold"),
        (Forgetful, "choose another: its state_dict() lacks some of what its next step depends on"),
        (Mute, "choose another: a step of it ends in NotImplementedError"),
    ],
)
def test_a_class_that_cannot_work_here_is_refused_before_training_in_its_own_words(cls: type[Any], why: str) -> None:
    with pytest.raises(ConfigError) as error:
        Torch(cls=cls).tried()
    assert error.value.refusal.do == why
    assert error.value.refusal.allowed == f"what {cls.__name__} takes"


def test_a_class_that_cannot_work_in_the_precision_of_the_run_is_refused_when_the_run_starts() -> None:
    rule = Torch(cls=Single).tried()
    assert rule.start(torch.zeros(2), flat(2))
    with pytest.raises(ConfigError) as error:
        rule.start(torch.zeros(2, dtype=torch.float64), flat(2))
    assert error.value.refusal.do == "single precision only"


@pytest.mark.parametrize("cls", [Square, O.Muon])
def test_a_class_for_matrices_alone_trains_a_network_of_these_and_no_other(cls: type[Any]) -> None:
    rule = Torch(cls=cls).tried()
    theta, layout = adopt(nn.Linear(3, 2, bias=False))
    rule.start(theta, layout)
    theta, layout = adopt(network())
    with pytest.raises(ConfigError) as error:
        rule.start(theta, layout)
    assert str(error.value) == (
        f"optimizer={cls.__name__} is refused\n"
        "  allowed: a network of matrices alone; this one has 0.bias, 2.bias as well\n"
        "  do this: choose optimizer=muon, which moves the rest by AdamW, or a network without biases"
    )
