"""Functions minimized by the one loop: what the lectures say of them, seen in the rows of a run."""

from __future__ import annotations

import math
import re
import shlex
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runner import menu
from tests.cli.conftest import REPOSITORY, Answer, Call, call, program  # noqa: F401 - fixtures
from tests.cli.test_run import rows

NAMES = [one.name for one in menu.problems()]
EXACT = "precision=float64"


@pytest.fixture
def ran(call: Call, tmp_path: Path) -> Any:  # noqa: F811
    def of(*arguments: str) -> list[dict[str, float]]:
        answer = call(*arguments, EXACT, "hydra.run.dir=run")
        assert answer.code == 0, answer.err
        found = [{name: float(cell) for name, cell in row.items()} for row in rows(tmp_path / "run")]
        for path in sorted((tmp_path / "run").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (tmp_path / "run").rmdir()
        return found

    return of


def test_there_is_a_problem_for_every_function_and_a_function_for_every_problem() -> None:
    text = {name: (REPOSITORY / "conf" / "problem" / f"{name}.yaml").read_text() for name in NAMES}
    losses = {name: re.findall(r"override /loss: (\w+)", one)[0] for name, one in text.items()}
    functions = {
        path.stem for path in (REPOSITORY / "runner" / "loss").glob("*.py") if "(Function)" in path.read_text()
    }
    assert set(losses.values()) == functions
    assert all(loss == name or loss in name for name, loss in losses.items())


@pytest.mark.parametrize("one", menu.problems(), ids=lambda one: one.name)
def test_the_command_that_a_problem_suggests_runs(one: menu.Problem, program: Call) -> None:  # noqa: F811
    command = shlex.split(one.command)
    assert command[0] == "optrun"
    assert any(argument.startswith(f"problem={one.name}") for argument in command)
    answer = program(*command[1:], "epochs=3")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("name", NAMES)
def test_val_loss_is_the_function_at_the_end_of_the_epoch_and_train_loss_at_its_beginning(name: str, ran: Any) -> None:
    found = ran(f"problem={name}", "optimizer=sgd", "lr=0.0001", "epochs=4")
    if name == "reddi":
        return  # three steps an epoch; it has tests of its own
    for before, after in pairwise(found):
        assert after["train_loss"] == before["val_loss"]


def test_gradient_descent_on_the_ravine_shrinks_by_six_tenths_a_step_at_the_best_rate(ran: Any) -> None:
    found = ran("problem=ravine", "optimizer=sgd", "lr=0.2", "epochs=20")
    for before, after in pairwise(found):
        # 1 - 0.2 * 2 = 0.6 along and 1 - 0.2 * 8 = -0.6 across
        assert after["x1"] == pytest.approx(0.6 * before["x1"], rel=1e-13)
        assert after["x2"] == pytest.approx(-0.6 * before["x2"], rel=1e-13)
    for lr in (0.15, 0.24):  # no other rate is as fast
        assert ran("problem=ravine", "optimizer=sgd", f"lr={lr}", "epochs=20")[-1]["val_loss"] > found[-1]["val_loss"]


@pytest.mark.parametrize("condition", [4.0, 25.0, 1000.0])
def test_the_best_rate_on_a_bowl_is_that_of_its_condition_number(condition: float, ran: Any) -> None:
    lr = 2 / (1 + condition)
    found = ran("problem=bowl", f"loss.condition={condition}", "optimizer=sgd", f"lr={lr!r}", "epochs=10")
    rate = (condition - 1) / (condition + 1)
    for before, after in pairwise(found):
        assert math.hypot(after["x1"], after["x2"]) == pytest.approx(
            rate * math.hypot(before["x1"], before["x2"]), rel=1e-12
        )


@pytest.mark.parametrize(("share", "grows"), [(0.99, False), (1.01, True)])
def test_gradient_descent_on_a_bowl_diverges_beyond_2_over_the_curvature(share: float, grows: bool, ran: Any) -> None:
    found = ran("problem=bowl", "loss.condition=10", "optimizer=sgd", f"lr={share * 0.2}", "epochs=50", "start=[0,1]")
    assert (found[-1]["val_loss"] > found[0]["val_loss"]) == grows


def test_momentum_on_a_plane_reaches_its_terminal_velocity(ran: Any) -> None:
    found = ran("problem=plane", "loss.slope=[1,0]", "optimizer=momentum", "optimizer.mu=0.9", "lr=0.03", "epochs=400")
    # -lr / (1 - mu) = -0.3 a step; 0.9^400 = 5e-19 is missing, and x ends near -117, whose last bit is 1e-14
    assert found[-1]["x1"] - found[-2]["x1"] == pytest.approx(-0.3, abs=1e-12)


def test_adam_moves_by_lr_on_a_plane_however_small_the_slope(ran: Any) -> None:
    found = ran("problem=plane", "loss.slope=[1,0.001]", "optimizer=adam", "lr=0.01", "epochs=10")
    # m/(1 - 0.9^t) = g and s/(1 - 0.999^t) = g^2; eps = 1e-8 beside g = 1e-3 is a share of 1e-5
    assert found[-1]["x1"] == pytest.approx(-0.1, rel=1e-6)
    assert found[-1]["x2"] == pytest.approx(-0.1, rel=2e-5)


def test_exactly_on_the_ridge_of_a_saddle_gradient_descent_never_leaves_and_beside_it_it_does(ran: Any) -> None:
    common = ("problem=saddle", "optimizer=sgd", "lr=0.05", "epochs=60")
    stuck = ran(*common, "start=[1,0]")[-1]
    assert stuck["x2"] == 0
    assert 0 <= stuck["val_loss"] < 1e-5
    left = ran(*common, "start=[1,0.001]")[-1]
    assert left["x2"] == pytest.approx(0.001 * 1.1**60, rel=1e-12)  # 1 + 2 lr a step
    assert left["val_loss"] < 0


@pytest.mark.parametrize("start", [-2.0, -0.01, 0.01, 1.5])
def test_gradient_descent_ends_in_the_well_of_the_side_where_it_starts(start: float, ran: Any) -> None:
    found = ran("problem=double_well", "optimizer=sgd", "lr=0.01", f"start=[{start}]", "epochs=400")
    assert found[-1]["x1"] == pytest.approx(math.copysign(1, start), abs=1e-3)


def test_momentum_crosses_a_barrier_that_stops_gradient_descent(ran: Any) -> None:
    common = ("problem=double_well", "loss.tilt=0.3", "lr=0.01", "start=[2]", "epochs=300")
    assert ran(*common, "optimizer=sgd")[-1]["x1"] > 0.9
    assert ran(*common, "optimizer=momentum")[-1]["x1"] < -0.9


REDDI = ("problem=reddi", "lr=0.01", "epochs=500")
TORCHS_ADAM = ("optimizer=torch", "optimizer._target_=torch.optim.Adam", "+optimizer.betas=[0.0,0.1]")


def test_adam_walks_to_the_worst_point_of_reddis_lines(ran: Any) -> None:
    for adam in (("optimizer=adam", "optimizer.betas=[0,0.1]"), TORCHS_ADAM):
        found = ran(*REDDI, *adam)
        assert found[-1]["x1"] == pytest.approx(1, abs=0.02)  # two steps of at most lr from the bound
        assert found[-1]["val_loss"] == pytest.approx(1 / 3, abs=0.01)


def test_sgd_and_amsgrad_walk_to_the_best_point_of_reddis_lines(ran: Any) -> None:
    for other in (("optimizer=sgd",), (*TORCHS_ADAM, "+optimizer.amsgrad=true")):
        found = ran(*REDDI, *other)
        assert found[-1]["x1"] < -0.95
        assert min(row["x1"] for row in found) >= -1  # the bound holds


def test_reddis_first_cycle_by_hand(ran: Any) -> None:
    # SGD, lr 0.01, from 0: -0.03, then +0.01 twice; the next cycle goes on from -0.01
    found = ran(*REDDI, "optimizer=sgd", "epochs=2")
    assert [row["x1"] for row in found] == pytest.approx([-0.01, -0.02], abs=1e-15)
    # losses at 0, -0.03, -0.02: 0, 0.03, 0.02; at the end the mean over the cycle, x/3
    assert found[0]["train_loss"] == pytest.approx((0 + 0.03 + 0.02) / 3, abs=1e-15)
    assert found[0]["val_loss"] == pytest.approx(-0.01 / 3, abs=1e-15)


def test_another_start_is_given_as_a_key_and_a_wrong_one_is_refused(call: Call, ran: Any) -> None:  # noqa: F811
    assert ran("problem=ravine", "start=[1,1]", "optimizer=sgd", "lr=0.1", "epochs=1")[0]["train_loss"] == 5
    assert ran("problem=ravine", "start=[3]", "optimizer=sgd", "lr=0.1", "epochs=1")[0]["train_loss"] == 45
    assert refusal(call("problem=ravine", "start=[1,2,3]")) == (
        "start=[1.0,2.0,3.0] is refused",
        "allowed: one number, or one for each of the 2 elements of [2, 1]",
        "do this: give start=[...], which is init.point, of that length",
    )
    assert refusal(call("problem=ravine", "start=[x]"))[0] == "start=[x] is refused"


def test_a_coordinate_that_is_not_there_is_refused(call: Call) -> None:  # noqa: F811
    assert refusal(call("problem=double_well", "probe.coordinates=[0,1]")) == (
        "probe.coordinates=[0,1] is refused",
        "allowed: different whole numbers from 0 to 0, the elements of theta",
        "do this: give probe.coordinates=[0], say",
    )


def refusal(answer: Answer) -> tuple[str, ...]:
    assert answer.code == 2
    return tuple(line.strip().removeprefix("optrun: ") for line in answer.err.splitlines())


def test_a_problem_that_is_cut_off_and_resumed_writes_the_same_bytes(tmp_path: Path, program: Call) -> None:  # noqa: F811
    arguments = ["problem=rosenbrock", "optimizer=adam", "lr=0.01", "epochs=6000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *arguments, "hydra.run.dir=cut"],
        cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY), "PATH": ""}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    while not list(tmp_path.glob("cut/checkpoint/*.ckpt")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert program("resume", "cut").code == 0
    assert program(*arguments, "hydra.run.dir=whole").code == 0
    assert (tmp_path / "cut" / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()
