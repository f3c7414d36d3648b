"""A network that could not be trained is refused before training, also one of the user's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from runner.architecture.base import examine
from runner.core.errors import ConfigError
from runner.core.noise import Dropout

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
REPOSITORY = Path(__file__).parents[2]


class Idle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.used(x)
        return scores


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            Idle(),
            "architecture is refused\n"
            "  allowed: parameters that all have a part in the scores; idle.weight, idle.bias have none\n"
            "  do this: remove them",
        ),
        (
            nn.Linear(4, 5),
            "architecture is refused\n  allowed: 3 scores for each example; it gives [5]\n"
            "  do this: give its last layer as many outputs as build(inputs, outputs) is told",
        ),
        (
            nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)),
            "architecture is refused\n"
            "  allowed: scores of any size; its outputs are probabilities, which the loss would make of them again\n"
            "  do this: remove the softmax from its end",
        ),
        (
            nn.Sequential(nn.Linear(4, 9), nn.Dropout(0.5), nn.Linear(9, 3)),
            "architecture is refused\n"
            "  allowed: random numbers from outside; it draws from torch's global generator, so that no run could be "
            "repeated\n"
            "  do this: use runner.core.noise.Dropout instead of torch.nn.Dropout",
        ),
        (
            nn.AdaptiveAvgPool1d(3),
            "architecture is refused\n  allowed: a network with parameters; it has none\n  do this: give it some",
        ),
    ],
    ids=["idle parameters", "wrong outputs", "softmax", "own dropout", "no parameters"],
)
def test_what_cannot_be_trained_is_refused(module: nn.Module, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        examine(module.train(), X, 3)
    assert str(caught.value) == message


def test_scores_that_happen_to_be_0_are_no_probabilities() -> None:
    module = nn.Linear(4, 3)
    nn.init.zeros_(module.weight)
    nn.init.zeros_(module.bias)
    examine(module, X, 3)


def test_a_network_that_passes_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), Dropout(5, 0.5), nn.Linear(5, 3)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    generator = torch.random.get_rng_state()
    examine(module, X, 3)
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert torch.equal(torch.random.get_rng_state(), generator)


MINE = """
from dataclasses import dataclass
from torch import nn
from runner.architecture.activation.base import Activation
from runner.architecture.activation.relu import ReLU
from runner.architecture.base import Architecture
from dataclasses import field

class Net(nn.Module):
    def __init__(self, width, activation, idle):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(64, width), nn.BatchNorm1d(width), nn.Linear(width, 10)
        self.activation = activation.function()
        if idle:
            self.idle = nn.Linear(3, 3)

    def forward(self, x):
        return self.last(self.activation(self.norm(self.first(x))))

@dataclass(frozen=True)
class Mine(Architecture):
    width: int = 8
    activation: Activation = field(default_factory=ReLU)
    idle: bool = False

    def build(self, inputs, outputs):
        return Net(self.width, self.activation, self.idle)
"""


def optrun(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "mine.py").write_text(MINE)
    (folder / "conf" / "architecture").mkdir(parents=True, exist_ok=True)
    (folder / "conf" / "architecture" / "mine.yaml").write_text(
        "defaults:\n  - activation: relu\n  - _self_\n_target_: mine.Mine\nwidth: 8\n"
    )
    command = [
        sys.executable,
        "-m",
        "runner",
        "--config-dir",
        "conf",
        "architecture=mine",
        "plugins=[mine]",
        *arguments,
    ]
    environment = {"PYTHONPATH": f"{REPOSITORY}:{folder}", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_an_architecture_of_the_user_s_own_trains_with_a_choice_of_ours_in_it(tmp_path: Path) -> None:
    done = optrun(tmp_path, "architecture/activation=leaky_relu", "epochs=2", "hydra.run.dir=here")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Mine activation=leaky_relu" in done.stdout
    assert len((tmp_path / "here" / "metrics.csv").read_text().splitlines()) == 3


def test_an_architecture_of_the_user_s_own_with_idle_parameters_is_refused(tmp_path: Path) -> None:
    done = optrun(tmp_path, "+architecture.idle=true", "epochs=2")
    assert done.returncode == 2
    assert done.stderr == (
        "optrun: architecture is refused\n"
        "  allowed: parameters that all have a part in the scores; idle.weight, idle.bias have none\n"
        "  do this: remove them\n"
    )
