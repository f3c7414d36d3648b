"""How many digits a run computes with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import nn

from runner.core import precision
from runner.core.errors import ConfigError
from runner.core.precision import DTYPES, Precision, in_bfloat16, settle
from runner.job import resume, start
from runner.run import prepare
from runner.screen.base import Silent
from runner.selftest.program import differing, remains
from runner.store import folder
from runner.store.folder import RunFolder, read_rows
from tests.lanes.sides import composed

DIGITS = ("dataset=digits", "architecture.hidden=[16]", "lr=0.01", "epochs=4")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    settle("float32")


def refusal(*words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        composed(*words)
    return str(caught.value)


def test_what_is_rounded_only_in_products_lies_in_float32() -> None:
    assert set(DTYPES) == set(get_args(Precision))
    assert {name: str(dtype).removeprefix("torch.") for name, dtype in DTYPES.items()} == {
        "float64": "float64",
        "float32": "float32",
        "tf32": "float32",
        "bf16": "float32",
    }


def test_a_layer_in_bfloat16_multiplies_rounded_numbers_and_adds_them_up_in_float32() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(300, 7, bias=False), torch.randn(5, 300)
    factors = [each.detach().bfloat16().double() for each in (x, layer.weight)]
    exact = factors[0] @ factors[1].T
    in_bfloat16(layer, CPU)
    found = layer.forward(x)
    assert found.dtype == torch.float32
    # the sum in float32 is off by at most 300 * 2^-24 of what is added up, then rounded to 8 digits: 2^-8 of itself
    added = factors[0].abs() @ factors[1].abs().T
    assert ((found.double() - exact).abs() <= exact.abs() * 2**-8 + added * 300 * 2**-24).all()
    assert (found.bfloat16().float() == found).all()


def test_the_gradient_in_bfloat16_is_that_of_float32_to_two_digits_and_lies_in_float32() -> None:
    exact, rounded = (prepare(composed(*DIGITS, f"precision={name}")) for name in ("float32", "bf16"))
    assert torch.equal(exact.theta, rounded.theta)
    gradients = []
    for m in (exact, rounded):
        m.objective.on(*m.train.rows(torch.arange(200)))
        gradients.append(m.objective.value_and_grad(m.theta)[1])
    away = float(torch.linalg.vector_norm(gradients[1] - gradients[0]) / torch.linalg.vector_norm(gradients[0]))
    assert 0 < away < 2**-5, "some roundings of 2^-8 in each of the two layers, forth and back"
    assert gradients[1].dtype == rounded.theta.dtype == torch.float32


def test_a_mean_over_a_mini_batch_is_not_rounded_to_two_digits() -> None:
    m = prepare(composed(*DIGITS, "architecture/normalization=batch", "precision=bf16"))
    m.objective.on(*m.train.rows(torch.arange(200)))
    m.objective.value_and_grad(m.theta)
    kept = m.objective.buffers.items()
    means = next(buffer for name, buffer in kept if name.endswith("latest_mean"))
    assert (means.bfloat16().float() != means).any()


@pytest.mark.parametrize(
    "more", [(), ("architecture/normalization=batch", "architecture.dropout=0.2"), ("architecture=convnet",)]
)
def test_a_run_in_bfloat16_learns_like_one_in_float32_and_is_resumed_to_the_byte(
    more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "LEAST_S", 0)  # a commit in every epoch
    monkeypatch.setattr(folder, "SHARE", 0)
    losses = {}
    for name in ("float32", "bf16"):
        start(composed(*DIGITS, *more, f"precision={name}"), tmp_path / name, "optrun", Silent(), pictures=False)
        losses[name] = read_rows(tmp_path / name / "metrics.csv")[-1]["val_loss"]
    assert 0 < abs(math.log(losses["bf16"] / losses["float32"])) < 0.1, "other digits, the same course"
    append = RunFolder.append

    def interrupting(self: RunFolder, *row: Any) -> None:
        if len(self.rows) == 2:
            raise KeyboardInterrupt
        append(self, *row)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", interrupting)
        with pytest.raises(KeyboardInterrupt):
            start(composed(*DIGITS, *more, "precision=bf16"), tmp_path / "cut", "optrun", Silent())
    resume(tmp_path / "cut", (), Silent(), pictures=False)
    assert differing(remains(tmp_path / "bf16"), remains(tmp_path / "cut")) == []


def test_tf32_is_asked_of_a_gpu_for_a_run_and_for_no_other() -> None:
    def asked() -> set[str]:
        cudnn = torch.backends.cudnn
        kinds = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)  # type: ignore[attr-defined]
        return {kind.fp32_precision for kind in kinds}

    settle("tf32")
    assert asked() == {"tf32"}
    for name in ("float32", "float64", "bf16"):
        settle(name)
        assert asked() == {"ieee"}


def test_a_precision_that_a_device_does_not_have_is_refused() -> None:
    assert refusal(*DIGITS, "device=cpu", "precision=tf32") == (
        "precision=tf32 is refused\n  allowed: with device=cuda; here it is cpu\n  do this: give precision=float32"
    )
    with pytest.raises(ConfigError, match=r"with device=cpu or cuda; here it is mps"):
        precision.refuse_elsewhere("bf16", torch.device("mps"))
    precision.refuse_elsewhere("tf32", torch.device("cuda", 1))


@pytest.mark.parametrize("rule", ["kfac", "lbfgs", "newton_cg", "stochastic_line_search", "sqn"])
def test_a_method_that_asks_for_more_than_gradients_is_refused(rule: str) -> None:
    assert refusal("dataset=digits", f"optimizer={rule}", "precision=bf16") == (
        f"precision=bf16 is refused\n  allowed: float32 or float64 with {rule}, which compares losses, takes them "
        "apart or differentiates twice: two or three digits do not carry that\n"
        "  do this: give precision=float32, or choose optimizer=adam, say"
    )


def test_a_problem_has_nothing_to_round() -> None:
    assert refusal("problem=bowl", "precision=bf16") == (
        "precision=bf16 is refused\n  allowed: float32 or float64 for a problem, which has no products of matrices to "
        "round\n  do this: give precision=float32"
    )


def test_the_runs_of_a_program_side_by_side_are_never_rounded_to_two_digits() -> None:
    from runner.sweep.fuse import program

    assert program(composed(*DIGITS)) is not None
    assert program(composed(*DIGITS, "precision=bf16")) is None
