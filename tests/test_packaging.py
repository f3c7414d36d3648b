"""The wheel: conf/ is in it, and it works from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (made,) = folder.glob("optrun-*.whl")
    return made


def test_the_wheel_holds_every_yaml_every_module_and_what_earlier_versions_left(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    yamls = {f"runner/{path.relative_to(REPOSITORY)}" for path in (REPOSITORY / "conf").rglob("*.yaml")}
    modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "runner").rglob("*.py")}
    assert len(yamls) > 20
    archives = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "runner").rglob("*.zip")}
    assert archives
    pages = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "runner/report/template").iterdir()}
    assert pages
    assert yamls | modules | archives | pages <= inside
    assert not [name for name in inside if name.startswith(("tests/", "conf/", "outputs/"))]


def test_the_wheel_works_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (tmp_path / "elsewhere").mkdir()

    def optrun(*arguments: str) -> str:
        command = [
            sys.executable,
            "-c",
            "import runner, sys; from runner.cli import main; sys.exit(main())",
            *arguments,
        ]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        done = subprocess.run(command, cwd=tmp_path / "elsewhere", env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import runner; print(runner.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    found = subprocess.run([sys.executable, "-c", where], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout.strip() == str(site / "runner" / "__init__.py")
    assert "optimizer     adadelta, adagrad, adahessian, adam*" in optrun("--help")
    assert "completed" in optrun("epochs=1")
    assert "ranked by" in optrun("-m", "lr=0.1,0.01", "epochs=1")


def test_the_console_script_and_the_version_are_in_the_metadata(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (script,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "optrun = runner.cli:command" in archive.read(script).decode()


def test_the_pinned_torch_is_the_one_that_the_package_asks_for() -> None:
    pinned = (REPOSITORY / ".constraints.txt").read_text().splitlines()
    assert "torch==2.13.0" in pinned
    assert '"torch==2.13.0"' in (REPOSITORY / "pyproject.toml").read_text()
    assert "install torch==2.13.0" in (REPOSITORY / "Makefile").read_text()
