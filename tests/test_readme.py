"""Every command of the README is run, in an empty folder, and every file that it shows is the one that is used."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from runner.menu import readme

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


SHELL = [line.split("   #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
COMMANDS = [line for line in SHELL if line.startswith("optrun ")]
LAUNCHES = [line for line in SHELL if line.startswith("torchrun ")]
MAKE = [line for line in SHELL if line.startswith("make ")]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line as bash would read it, with this Python's optrun."""
    python = shlex.quote(sys.executable)
    call = re.sub("(^|&& )optrun ", lambda found: f"{found[1]}{python} -m runner ", command)
    call = re.sub("^torchrun", f"{python} -m torch.distributed.run", call)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(["bash", "-c", call], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with the reader's two files in it."""
    for text in (*blocks("python"), *blocks("yaml")):
        name = re.match(r"# (\S+\.(?:py|yaml))\n", text)
        assert name, "the first line of a file in the README names it"
        path = tmp_path / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("command", [*COMMANDS, *LAUNCHES])
def test_a_command_of_the_readme_works(command: str, folder: Path) -> None:
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout


def test_the_readme_has_the_commands_that_it_promises() -> None:
    assert len(COMMANDS) >= 7
    assert MAKE == ["make run", "make test"]


def test_what_the_readme_shows_on_the_screen_is_what_is_printed(folder: Path) -> None:
    for block in blocks("console"):
        command, _, shown = block.removeprefix("$ ").partition("\n")
        done = run(command, folder)
        assert done.stdout + done.stderr == shown


def test_make_run_of_the_readme_runs_the_default_experiment(tmp_path: Path) -> None:
    if not (REPOSITORY / ".venv" / "run").exists():
        pytest.skip("there is no .venv made by make in this checkout; make run would install one")
    arguments = f"ARGS=optimizer=adam lr=1e-3 hydra.run.dir={tmp_path}/run"  # not into the checkout
    done = subprocess.run(["make", "run", arguments], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "summary.json").exists()


def test_the_default_arguments_of_make_are_those_that_the_readme_says() -> None:
    for target, expected in (("run", "optrun optimizer=adam lr=1e-3"), ("sweep", "optrun -m lr=0.1,0.03,0.01")):
        dry = ["make", "-n", "-o", ".venv/run", target]
        done = subprocess.run(dry, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        assert expected in done.stdout


def test_make_fails_where_the_program_fails_and_shows_its_code(tmp_path: Path) -> None:
    if not (REPOSITORY / ".venv" / "run").exists():
        pytest.skip("there is no .venv made by make in this checkout; make run would install one")
    done = subprocess.run(["make", "run", "ARGS=lr=-1"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2  # make's own code for every failure
    assert "lr=-1 is refused" in done.stderr
    assert "Error 2" in done.stderr


def test_the_files_that_the_readme_names_exist() -> None:
    for name in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / name).exists(), name


def test_the_table_of_choices_is_that_of_the_code() -> None:
    assert readme.written(README) == README, "make readme"


def test_the_loop_of_the_readme_runs(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "my_loop.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
