# ruff: noqa: PT009  assertEqual is torch's own: it compares trees of tensors, here to the last bit
"""torch's exam for optimizers, driven as torch drives its own: `OptimizerInfo`, `optims`, one test for each of ours.

The records, the errors that every optimizer must raise, and the machinery that makes a test for every optimizer are
those of torch.testing._internal; `optim_db` there is replaced by ours. torch's test bodies are not in its wheel, so the
questions are asked anew here. What is not asked of ours, and why, is in `SKIPPED`; the last test prints it.
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("expecttest", reason="torch's exam needs expecttest, which is in the extra `dev`")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch's own test support is warned of is not our affair
    from torch.testing._internal import common_optimizers as exam
    from torch.testing._internal.common_device_type import instantiate_device_type_tests
    from torch.testing._internal.common_utils import TestCase

from runner.export import Exported
from runner.optimizer.base import Optimizer
from tests.contract.rooms import choices, made
from tests.contract.test_optimizer import usual_lr

RULES: dict[str, Optimizer] = {
    name: rule for name in choices("optimizer") if not (rule := made("optimizer", name)).needs
}
NEEDS_CLOSURE = ("sam", "nesterov_original")  # they ask for a gradient at another point
SKIPPED = {
    "foreach, fused, capturable, differentiable": "switches between kernels; ours choose by the size of the work",
    "maximize, weight_decay as arguments of every class": "minimize -L; decoupled_decay wraps, a regularizer adds",
    "complex parameters": "refused with a sentence; view_as_real makes them real",
    "sparse gradients": "refused with a sentence that names torch.optim.SparseAdam",
    "several devices in one group": "rules that see all parameters as one vector need them on one",
    "a learning rate that needs a gradient": "belongs to differentiable",
    "state of older versions": "there is none",
}


def class_of(name: str, rule: Optimizer) -> type[Exported]:
    """A class with the signature that the exam wants: parameters first, then keywords with defaults."""

    def __init__(self: Any, params: Any, **given: Any) -> None:
        lr = given.pop("lr", usual_lr(rule))
        super(made_class, self).__init__(type(rule)(**(vars(rule) | given)), params, lr)

    made_class = type(name, (Exported,), {"__init__": __init__})
    return made_class


def inputs(name: str) -> Any:
    """The configurations in which an optimizer is examined: as it comes, with another rate, with a rate in a tensor."""

    def listed(device: Any, dtype: Any = None) -> list[Any]:
        lr = usual_lr(RULES[name])
        return [
            exam.OptimizerInput(params=None, kwargs={}, desc="default"),
            exam.OptimizerInput(params=None, kwargs={"lr": lr / 10}, desc="another rate"),
            exam.OptimizerInput(params=None, kwargs={"lr": torch.tensor(lr)}, desc="a rate in a tensor"),
        ]

    return listed


INFOS = [
    exam.OptimizerInfo(
        class_of(name, rule),
        optim_inputs_func=inputs(name),
        optim_error_inputs_func=exam.get_error_inputs_for_all_optims,
        supported_impls=(),
        not_og_supported_flags=(),
        supports_complex=False,
        supports_multiple_devices=False,
        step_requires_closure=name in NEEDS_CLOSURE,
    )
    for name, rule in RULES.items()
]
exam.optim_db[:] = INFOS


class Task:
    """The exam's usual problem: a weight and a bias, L = ||W x + b||^2."""

    def __init__(self, dtype: torch.dtype, spread: bool = False, seed: int = 0) -> None:
        numbers = torch.Generator().manual_seed(seed)
        weight, bias, x = (torch.randn(*shape, generator=numbers).to(dtype) for shape in ((10, 5, 2), (10, 2), (5,)))
        self.weight = nn.Parameter(weight[..., 0] if spread else weight[..., 0].contiguous())
        self.bias = nn.Parameter(bias[..., 0] if spread else bias[..., 0].contiguous())
        self.x = x

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [self.weight, self.bias]

    def closure(self) -> Tensor:
        self.weight.grad = self.bias.grad = None
        loss = (self.weight.mv(self.x) + self.bias).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def step(self, live: Any, info: Any) -> Tensor:
        """As its user would: with the closure where the optimizer needs it."""
        if info.step_requires_closure:
            return live.step(self.closure)  # type: ignore[no-any-return]
        loss = self.closure()
        live.step()
        return loss


class TestExam(TestCase):  # type: ignore[misc]
    """One test for every optimizer, on the CPU."""

    @exam.optims(INFOS)
    def test_errors(self, device: Any, dtype: Any, optim_info: Any) -> None:
        asked = optim_info.optim_error_inputs_func(device=device, dtype=dtype)
        assert len(asked) >= 5
        for each in asked:
            given = each.optimizer_error_input
            context = self.assertWarnsRegex if issubclass(each.error_type, Warning) else self.assertRaisesRegex
            with context(each.error_type, each.error_regex):
                optim_info.optim_cls(given.params, **given.kwargs)

    @exam.optims(INFOS)
    def test_it_goes_in_the_right_direction_with_and_without_a_schedule(
        self, device: Any, dtype: Any, optim_info: Any
    ) -> None:
        for schedulers in ((), *optim_info.scheduler_inputs):
            for given in optim_info.optim_inputs_func(device=device):
                for spread in (False, True):
                    task = Task(dtype, spread)
                    live = optim_info.optim_cls(task.parameters, **given.kwargs)
                    running = [make(live) for make in schedulers]
                    first = task.closure().item()
                    for _ in range(20):
                        loss = task.step(live, optim_info)
                        for each in running:
                            plateau = isinstance(each, torch.optim.lr_scheduler.ReduceLROnPlateau)
                            each.step(loss.item()) if plateau else each.step()
                    self.assertLess(task.closure().item(), first)

    @exam.optims(INFOS)
    def test_groups_with_rates_of_their_own(self, device: Any, dtype: Any, optim_info: Any) -> None:
        task = Task(dtype)
        live = optim_info.optim_cls([{"params": [task.weight]}, {"params": [task.bias], "lr": 0.0}])
        kept = task.bias.detach().clone()
        first = task.closure().item()
        for _ in range(20):
            task.step(live, optim_info)
        self.assertLess(task.closure().item(), first)
        self.assertEqual(task.bias, kept, rtol=0, atol=0)

    @exam.optims(INFOS, dtypes=[torch.float32, torch.float64])
    def test_a_rate_in_a_tensor_is_the_same_rate(self, device: Any, dtype: Any, optim_info: Any) -> None:
        tasks = [Task(dtype), Task(dtype)]
        for task, lr in zip(tasks, (0.0078125, torch.tensor(0.0078125)), strict=True):
            live = optim_info.optim_cls(task.parameters, lr=lr)
            for _ in range(5):
                task.step(live, optim_info)
        self.assertEqual(tasks[0].weight, tasks[1].weight, rtol=0, atol=0)

    @exam.optims(INFOS)
    def test_a_step_without_gradients_changes_nothing(self, device: Any, dtype: Any, optim_info: Any) -> None:
        task = Task(dtype)
        live = optim_info.optim_cls(task.parameters)
        kept = task.weight.detach().clone()
        live.step()
        self.assertEqual(task.weight, kept, rtol=0, atol=0)
        self.assertEqual(live.state_dict()["state"], {})

    @exam.optims(INFOS)
    def test_a_parameter_without_elements_disturbs_nobody(self, device: Any, dtype: Any, optim_info: Any) -> None:
        task, empty = Task(dtype), nn.Parameter(torch.empty(0, dtype=dtype))
        live = optim_info.optim_cls([*task.parameters, empty])
        empty.grad = torch.empty(0, dtype=dtype)
        first = task.closure().item()
        for _ in range(5):
            task.step(live, optim_info)
        self.assertLess(task.closure().item(), first)

    @exam.optims(INFOS)
    def test_it_can_be_printed(self, device: Any, dtype: Any, optim_info: Any) -> None:
        for given in optim_info.optim_inputs_func(device=device):
            assert "lr: " in repr(optim_info.optim_cls(Task(dtype).parameters, **given.kwargs))

    @exam.optims(INFOS)
    def test_a_state_dict_carries_over_to_equal_parameters(self, device: Any, dtype: Any, optim_info: Any) -> None:
        for given in optim_info.optim_inputs_func(device=device):
            task = Task(dtype)
            live = optim_info.optim_cls(task.parameters, **given.kwargs)
            for _ in range(3):
                task.step(live, optim_info)
            other = deepcopy(task)
            kept = deepcopy(live.state_dict())
            twin = optim_info.optim_cls(other.parameters, **given.kwargs)
            twin.load_state_dict(kept)
            self.assertEqual(twin.state_dict(), live.state_dict())
            for _ in range(3):
                task.step(live, optim_info)
                other.step(twin, optim_info)
                self.assertEqual(task.weight, other.weight, rtol=0, atol=0)
                self.assertEqual(task.bias, other.bias, rtol=0, atol=0)
            self.assertEqual(twin.state_dict(), live.state_dict())

    @exam.optims(INFOS)
    def test_a_state_of_float64_can_be_loaded_by_parameters_of_float32(
        self, device: Any, dtype: Any, optim_info: Any
    ) -> None:
        wide, narrow = Task(torch.float64), Task(torch.float32)
        live, twin = (optim_info.optim_cls(task.parameters) for task in (wide, narrow))
        for _ in range(3):
            wide.step(live, optim_info)
        twin.load_state_dict(live.state_dict())
        narrow.step(twin, optim_info)
        self.assertEqual(narrow.weight.dtype, torch.float32)
        assert narrow.weight.isfinite().all()

    @exam.optims(INFOS)
    def test_the_names_of_parameters_are_kept_in_the_state_dict(self, device: Any, dtype: Any, optim_info: Any) -> None:
        task = Task(dtype)
        live = optim_info.optim_cls([("weight", task.weight), ("bias", task.bias)])
        task.step(live, optim_info)
        kept = live.state_dict()
        self.assertEqual(kept["param_groups"][0]["param_names"], ["weight", "bias"])
        bare = optim_info.optim_cls(task.parameters)
        bare.load_state_dict(kept)
        task.step(bare, optim_info)

    @exam.optims(INFOS)
    def test_hooks_fire_around_a_step(self, device: Any, dtype: Any, optim_info: Any) -> None:
        task, seen = Task(dtype), []
        live = optim_info.optim_cls(task.parameters)
        handles = [
            live.register_step_pre_hook(lambda *_: seen.append("before")),
            live.register_step_post_hook(lambda *_: seen.append("after")),
            live.register_state_dict_post_hook(lambda *_: seen.append("saved")),
            live.register_load_state_dict_pre_hook(lambda *_: seen.append("loading")),
            live.register_load_state_dict_post_hook(lambda *_: seen.append("loaded")),
        ]
        task.step(live, optim_info)
        live.load_state_dict(live.state_dict())
        self.assertEqual(seen, ["before", "after", "saved", "loading", "loaded"])
        for handle in handles:
            handle.remove()
        task.step(live, optim_info)
        self.assertEqual(len(seen), 5)

    @exam.optims(INFOS)
    def test_a_copy_has_all_public_attributes(self, device: Any, dtype: Any, optim_info: Any) -> None:
        task = Task(dtype)
        live = optim_info.optim_cls(task.parameters)
        task.step(live, optim_info)
        names = [{name for name in vars(each) if not name.startswith("_")} for each in (live, deepcopy(live))]
        self.assertEqual(*names)

    @exam.optims(INFOS)
    def test_the_state_is_one_of_tensors_and_numbers_for_each_parameter(
        self, device: Any, dtype: Any, optim_info: Any
    ) -> None:
        task = Task(dtype)
        live = optim_info.optim_cls(task.parameters)
        for _ in range(2):
            task.step(live, optim_info)
        state = live.state_dict()["state"]
        self.assertEqual(set(state), {0, 1})
        assert all(each["step"].item() == 2.0 for each in state.values())


instantiate_device_type_tests(TestExam, globals(), only_for="cpu")


def test_every_optimizer_of_the_house_sits_the_exam(capsys: pytest.CaptureFixture[str]) -> None:
    assert [info.name for info in exam.optim_db] == [
        name for name in choices("optimizer") if not made("optimizer", name).needs
    ]
    with capsys.disabled():
        print("\ntorch's exam does not ask ours for:")
        for what, why in SKIPPED.items():
            print(f"  {what}: {why}")
