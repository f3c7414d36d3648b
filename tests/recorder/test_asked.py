"""Recorders on the command line: by name, by a list, in sweeps, and without their packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.errors import ConfigError
from runner.recorder.wandb import WandB
from runner.store.folder import read_manifest, read_status
from tests.cli.conftest import REPOSITORY, TINY, Call, call  # noqa: F401 - a fixture
from tests.contract.test_recorder import refuse_other
from tests.recorder.reading import of_tensorboard

PACKAGES = ("tensorboard", "mlflow", "wandb")


def test_a_list_of_recorders_is_short_for_several_whose_arguments_are_given_by_name(call: Call) -> None:  # noqa: F811
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    assert call(*TINY, "recorder=[tensorboard]", "hydra.run.dir=run").code == 0
    refuse_other(of_tensorboard(Path("run")), Path("run"))
    assert "runner.recorder.several.Several" in Path("run", "config.yaml").read_text()


def test_every_run_of_a_sweep_has_a_log_and_an_id_of_its_own(call: Call) -> None:  # noqa: F811
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    words = ("-m", "lr=0.1,0.01", "recorder=tensorboard", "workers=2", "lanes=off", "hydra.sweep.dir=sweep")
    assert call(*TINY, *words).code == 0
    runs = [Path("sweep", number) for number in "01"]
    for run, lr in zip(runs, (0.1, 0.01), strict=True):
        found = of_tensorboard(run)
        refuse_other(found, run)
        assert float(found.settings["lr"]) == lr
        assert "not_recorded" not in read_status(run)
    assert len({read_manifest(run)["id"] for run in runs}) == 2


@pytest.mark.parametrize("words", [(), ("-m", "lr=0.1,0.01")])
def test_a_command_with_a_recorder_whose_package_is_missing_is_refused_at_once(
    words: tuple[str, ...],
    call: Call,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    answer = call(*TINY, *words, "recorder=wandb")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "optrun: recorder=wandb is refused\n  allowed: wandb installed, which writes its offline runs\n"
        "  do this: pip install 'optrun[wandb]'\n"
    )
    assert [path for path in Path("outputs").rglob("*") if path.is_file()] == []


def test_a_folder_with_the_name_of_a_package_is_none(
    call: Call,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("wandb").mkdir()  # Weights & Biases leaves one, wherever it was used
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(Path.cwd()), *(each for each in sys.path if "site-packages" not in each)])
    with pytest.raises(ConfigError, match="wandb installed"):
        WandB().ready()


def test_what_nobody_asked_for_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom runner import cli\n"
        f"code = cli.main({[*TINY, 'hydra.run.dir=run']!r})\n"
        f"sys.exit(code or 10 * any(name in sys.modules for name in {PACKAGES!r}))"
    )
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
