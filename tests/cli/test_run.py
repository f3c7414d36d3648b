"""One run from the command line: its files, its rows, its screen."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pty
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from runner import build
from runner.dataset.diabetes import Diabetes
from runner.preprocess.center import Center
from runner.preprocess.chain import Chain
from runner.preprocess.whiten_pca import WhitenPca
from runner.store import checkpoint
from tests.cli.conftest import REPOSITORY, TINY, Call, only_folder

HEADER = "epoch,step,examples,lr,train_loss,val_loss,train_accuracy,val_accuracy,grad_norm,forward,backward,hvp"


def rows(path: Path) -> list[dict[str, str]]:
    with open(path / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_exactly_the_files_of_the_protocol(call: Call, tmp_path: Path) -> None:
    assert call(*TINY).code == 0
    names = {entry.name for entry in only_folder(tmp_path).iterdir()}
    files = {"config.yaml", "manifest.json", "metrics.csv", "timing.csv", "summary.json", "curves.png", "curves.svg"}
    assert names == files | {"preprocess.npz", "checkpoint", ".lock"}


def test_metrics_has_the_columns_in_order_and_a_row_for_each_epoch(call: Call, tmp_path: Path) -> None:
    call(*TINY, "probe=distance")
    folder = only_folder(tmp_path)
    assert (folder / "metrics.csv").read_text().splitlines()[0] == f"{HEADER},distance_from_start"
    # 1,257 training examples in batches of 100 are 13 steps, the last of 57 examples
    assert [(r["epoch"], r["step"], r["examples"]) for r in rows(folder)] == [("1", "13", "1257"), ("2", "26", "2514")]


def test_a_regression_has_the_metrics_of_its_loss(call: Call, tmp_path: Path) -> None:
    call("dataset=diabetes", "loss=mse", *TINY)
    header = (only_folder(tmp_path) / "metrics.csv").read_text().splitlines()[0]
    assert header == "epoch,step,examples,lr,train_loss,val_loss,train_mae,val_mae,grad_norm,forward,backward,hvp"


def test_the_default_experiment_reaches_96_percent_on_validation(call: Call, tmp_path: Path) -> None:
    answer = call("optimizer=adam", "lr=1e-3", "expect.val_accuracy=0.96")
    assert answer.code == 0, answer.out
    summary = json.loads((only_folder(tmp_path) / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert summary["best"]["val_accuracy"] > 0.96
    assert set(summary["test"]) == {"loss", "accuracy"}


def test_equal_runs_write_equal_bytes(call: Call, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert call(*TINY, f"hydra.run.dir={name}", "architecture.dropout=0.2").code == 0
    for file in ("metrics.csv", "config.yaml", "preprocess.npz", "curves.png", "curves.svg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_what_the_preprocessing_learned_is_kept_with_the_run(call: Call, tmp_path: Path) -> None:
    chain = ("preprocess=chain", "preprocess@preprocess.steps.first=center", "preprocess.steps.second.eps=0.1")
    assert call(*TINY, *chain, "dataset=diabetes", "loss=mse", "hydra.run.dir=here").code == 0
    kept = dict(np.load(tmp_path / "here" / "preprocess.npz", allow_pickle=False))
    table = Diabetes().load()
    rows = Diabetes().split(table).train
    run = build.from_yaml((tmp_path / "here" / "config.yaml").read_text())
    assert run.preprocess == Chain(steps={"first": Center(), "second": WhitenPca(eps=0.1)})
    learned = run.preprocess.fit(table.x[rows])
    targets = {f"target_{name}": value for name, value in run.preprocess.fit_target(table.y[rows]).items()}
    assert {name: array.tobytes() for name, array in kept.items()} == {
        name: array.tobytes() for name, array in (learned | targets).items()
    }
    # no date of the day: equal runs write equal bytes tomorrow, too
    dates = {member.date_time for member in zipfile.ZipFile(tmp_path / "here" / "preprocess.npz").infolist()}
    assert dates == {(1980, 1, 1, 0, 0, 0)}


def test_another_seed_changes_the_run_but_not_the_division_of_the_data(call: Call, tmp_path: Path) -> None:
    for seed in (0, 1):
        call(*TINY, f"hydra.run.dir={seed}", f"seed={seed}")
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("0", "1")]
    assert manifests[0]["data_sha256"] == manifests[1]["data_sha256"]
    assert manifests[0]["start_sha256"] != manifests[1]["start_sha256"]
    assert rows(tmp_path / "0") != rows(tmp_path / "1")


def test_runs_with_one_seed_have_the_same_initial_weights_and_batches_whatever_the_optimizer(
    call: Call, tmp_path: Path
) -> None:
    for name in ("sgd", "momentum", "adam"):
        call(*TINY, f"hydra.run.dir={name}", f"optimizer={name}")
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("sgd", "momentum", "adam")]
    for key in ("start_sha256", "order_sha256"):
        assert len({manifest[key] for manifest in manifests}) == 1, key


def test_the_initial_weights_are_the_same_however_many_threads_there_are(call: Call, tmp_path: Path) -> None:
    for threads in (1, 2):
        torch.set_num_threads(threads)
        assert call("epochs=1", "init=orthogonal", f"hydra.run.dir={threads}").code == 0
    starts = {json.loads((tmp_path / n / "manifest.json").read_text())["start_sha256"] for n in ("1", "2")}
    assert len(starts) == 1


def test_the_hash_of_the_batches_is_that_of_their_size_and_of_the_rows_in_order(call: Call, tmp_path: Path) -> None:
    call(*TINY, "hydra.run.dir=in_order", "sampler=sequential", "batch_size=50")
    manifest = json.loads((tmp_path / "in_order" / "manifest.json").read_text())
    rows = b"".join(row.to_bytes(8, "little") for row in range(manifest["rows"]["train"]))
    assert manifest["order_sha256"] == hashlib.sha256(b"50\n" + rows).hexdigest()


@pytest.mark.parametrize("other", ["seed=1", "batch_size=50", "sampler=with_replacement"])
def test_other_batches_have_another_hash(other: str, call: Call, tmp_path: Path) -> None:
    for name, arguments in (("one", ()), ("other", (other,))):
        call(*TINY, f"hydra.run.dir={name}", *arguments)
    hashes = [json.loads((tmp_path / n / "manifest.json").read_text())["order_sha256"] for n in ("one", "other")]
    assert len(set(hashes)) == 2


def test_a_probe_changes_no_number_of_the_training(call: Call, tmp_path: Path) -> None:
    call(*TINY, "hydra.run.dir=without", "architecture.dropout=0.2")
    call(*TINY, "hydra.run.dir=with", "architecture.dropout=0.2", "probe=distance")
    probed = [{k: v for k, v in row.items() if k != "distance_from_start"} for row in rows(tmp_path / "with")]
    assert probed == rows(tmp_path / "without")


def test_the_configuration_of_a_run_builds_an_equal_run(call: Call, tmp_path: Path) -> None:
    call(*TINY, "schedule=cosine", "architecture.dropout=0.1", "expect.val_loss=100")
    text = (only_folder(tmp_path) / "config.yaml").read_text()
    assert build.to_yaml(build.from_yaml(text)) == text


def test_the_manifest_says_what_the_run_ran_with(call: Call, tmp_path: Path) -> None:
    call(*TINY, "optimizer=momentum", "lr=0.05")
    manifest = json.loads((only_folder(tmp_path) / "manifest.json").read_text())
    assert manifest["update_rule"] == "v <- 0.9 v + g;  theta <- theta - 0.05 v"
    assert manifest["equivalent_to"] == "torch.optim.SGD(lr=0.05, momentum=0.9)"
    assert manifest["command"] == "optrun epochs=2 'architecture.hidden=[8]' optimizer=momentum lr=0.05"
    assert manifest["rows"] == {"train": 1257, "validation": 270, "test": 270}
    assert manifest["versions"]["torch"] == torch.__version__
    assert (manifest["device"], manifest["threads"], manifest["seed"]) == ("cpu", 1, 0)


def test_a_rule_that_may_never_fire_is_joined_with_the_limit_on_epochs(call: Call, tmp_path: Path) -> None:
    answer = call("stop=early_stopping", *TINY)
    assert "completed:   reached the limit of 2 epochs" in answer.out


def test_the_test_result_is_that_of_the_best_epoch(call: Call, tmp_path: Path) -> None:
    # A rate that grows too large after a good start: the last epoch is worse than the best.
    call("optimizer=sgd", "lr=3", "epochs=6", "architecture.hidden=[8]", "hydra.run.dir=run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    best = min(rows(tmp_path / "run"), key=lambda row: float(row["val_loss"]))
    assert summary["best_epoch"] == int(best["epoch"])
    found = checkpoint.newest(tmp_path / "run" / "checkpoint")
    assert found is not None
    content = found[0]["content"]
    assert content["best_epoch"] == summary["best_epoch"]


def test_divergence_is_a_result_with_its_own_exit_code(call: Call, tmp_path: Path) -> None:
    answer = call("optimizer=sgd", "lr=1e6", *TINY)
    assert answer.code == 3
    summary = json.loads((only_folder(tmp_path) / "summary.json").read_text())
    assert summary["status"] == "diverged"
    assert summary["verdict"].startswith("the training loss became nan in epoch 1, after step ")
    assert len(rows(only_folder(tmp_path))) == 1


@pytest.mark.parametrize(
    ("expectation", "code", "line"),
    [
        ("expect.val_accuracy=0.01", 0, "val_accuracy at least 0.01: met"),
        ("expect.val_accuracy=0.9999", 8, "val_accuracy at least 0.9999: MISSED"),
        ("expect.val_loss=100", 0, "val_loss at most 100: met"),
        ("expect.val_loss=0.0001", 8, "val_loss at most 0.0001: MISSED"),
        ("expect.test_accuracy=0.9999", 8, "test_accuracy at least 0.9999: MISSED"),
    ],
)
def test_an_expectation_is_a_gate_in_the_direction_of_its_metric(
    call: Call, expectation: str, code: int, line: str
) -> None:
    answer = call(*TINY, expectation)
    assert answer.code == code
    assert line in answer.out


def test_a_folder_with_a_run_is_refused(call: Call, tmp_path: Path) -> None:
    call(*TINY, "hydra.run.dir=here")
    answer = call(*TINY, "hydra.run.dir=here")
    assert answer.code == 2
    assert answer.err == (
        f"optrun: hydra.run.dir={tmp_path}/here is refused\n"
        "  allowed: a new or an empty folder; this one holds a run\n"
        f"  do this: optrun resume {tmp_path}/here continues it; for another run choose a new folder\n"
    )


def test_pictures_are_drawn_again_from_the_rows_with_the_same_bytes(call: Call, tmp_path: Path) -> None:
    call(*TINY, "hydra.run.dir=here")
    before = (tmp_path / "here" / "curves.png").read_bytes()
    (tmp_path / "here" / "curves.png").unlink()
    assert call("plot", "here").code == 0
    assert (tmp_path / "here" / "curves.png").read_bytes() == before


def test_a_picture_that_cannot_be_drawn_does_not_fail_the_run(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> list[Path]:
        raise RuntimeError("no fonts")

    monkeypatch.setattr("runner.plot.curves.draw", broken)
    answer = call(*TINY, "hydra.run.dir=here")
    assert answer.code == 0
    assert f"note: the pictures were not drawn (RuntimeError: no fonts); optrun plot {tmp_path}/here" in answer.out


def test_on_a_pipe_there_are_plain_lines_without_control_codes(program: Call) -> None:
    answer = program(*TINY)
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert lines[0].startswith("digits 1257/270/270 · standardize · mlp 8 · 610 parameters · ")
    assert [line[:9] for line in lines if line.startswith("epoch")] == ["epoch 1/2", "epoch 2/2"]
    assert [line.split(":")[0] for line in lines[-4:]] == ["completed", "best epoch", "test", "files"]


def test_a_reader_that_goes_away_does_not_end_the_run(tmp_path: Path) -> None:
    command = f"{sys.executable} -m runner epochs=3 architecture.hidden=[8] hydra.run.dir=here | head -1"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "here" / "summary.json").read_text())["status"] == "completed"


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_in_a_terminal_the_table_is_live_and_no_color_is_honoured(
    tmp_path: Path, environment: dict[str, str], coloured: bool
) -> None:
    controller, terminal = pty.openpty()
    base = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    given = {**base, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color", "COLUMNS": "100", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *TINY], cwd=tmp_path, env=given, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            chunk = os.read(controller, 4096)
        except OSError:  # how Linux says that the other side of a terminal is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(controller)
    assert process.wait() == 0
    assert b"val_loss" in seen
    assert b"completed" in seen
    assert (b"\x1b[32m" in seen or b"\x1b[1;32m" in seen) == coloured


def test_help_list_and_completion_import_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from runner.cli import main; import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    for arguments in (['--help'], ['list'], ['list', 'optimizer'], ['-sc', 'query=bash']):\n"
        "        try: main(arguments)\n"
        "        except SystemExit: pass\n"
        "print([m for m in ('torch', 'pandas', 'matplotlib.pyplot', 'sklearn') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COMP_LINE": "optrun optimizer=", "COMP_POINT": "17"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_completion_offers_the_choices_of_a_room(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COMP_LINE": "optrun optimizer=", "COMP_POINT": "17"}
    done = subprocess.run(
        [sys.executable, "-m", "runner", "-sc", "query=bash"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert "optimizer=adam" in done.stdout.split()


def test_python_m_runner_equals_optrun(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("optrun")
    if not script.exists():
        pytest.skip("the package is not installed in this environment, so there is no optrun beside python")
    answers = [
        subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for command in ([str(script)], [sys.executable, "-m", "runner"])
    ]
    assert answers[0] == answers[1]


def test_the_limit_on_epochs_holds_whatever_the_stop_rule_allows(call: Call, tmp_path: Path) -> None:
    call(*TINY, "stop=epochs", "stop.epochs=50")
    assert len(rows(only_folder(tmp_path))) == 2
