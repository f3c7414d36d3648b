"""`optrun resume`: what it goes on with, what it leaves alone, and what it refuses in which words."""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from runner import job
from runner.selftest.program import commits, differing, remains, temporary
from runner.store import checkpoint, folder
from runner.store.folder import RunFolder, read_status
from tests.cli.conftest import REPOSITORY, Answer, Call
from tests.store.earlier import unsealed_by_an_earlier_version

ARGUMENTS = ("epochs=6", "architecture.hidden=[8]", "architecture.dropout=0.2", "stop=epochs")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit in every epoch."""
    monkeypatch.setattr(folder, "LEAST_S", 0)
    monkeypatch.setattr(folder, "SHARE", 0)


Cut = Callable[..., Path]


@pytest.fixture
def cut(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cut:
    """A run that was interrupted after its third epoch."""

    def made(*arguments: str, name: str = "run") -> Path:
        append = RunFolder.append

        def interrupting(self: RunFolder, *row: Any) -> None:
            if len(self.rows) == 3:
                raise KeyboardInterrupt
            append(self, *row)

        with monkeypatch.context() as patch:
            patch.setattr(RunFolder, "append", interrupting)
            answer = call(*ARGUMENTS, *arguments, f"hydra.run.dir='{name}'")
        said = "optrun: interrupted; what was committed is kept, `optrun resume` goes on from there\n"
        assert (answer.code, answer.err) == (130, said)
        assert read_status(tmp_path / name)["status"] == "interrupted"
        return tmp_path / name

    return made


@pytest.fixture
def whole(call: Call, tmp_path: Path) -> Path:
    """The run that nobody interrupted."""
    assert call(*ARGUMENTS, "hydra.run.dir=whole").code == 0
    return tmp_path / "whole"


def everything(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def flip(path: Path, place: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


# ---- going on


def test_an_interrupted_run_goes_on_and_ends_as_if_nothing_had_been(call: Call, cut: Cut, whole: Path) -> None:
    path = cut()
    answer = call("resume", "run")
    assert (answer.code, answer.err) == (0, "")
    assert "note: resumed after epoch 3\n" in answer.out
    assert differing(remains(whole), remains(path)) == []
    assert (path / "curves.svg").read_bytes() == (whole / "curves.svg").read_bytes()


@pytest.mark.parametrize("name", ["with space", "a=b", "größe", "deep/er/run", "a,b", "[x]", "*"])
def test_a_run_of_any_name_is_resumed_by_that_name(name: str, call: Call, cut: Cut) -> None:
    path = cut(name=name)
    assert call("resume", name).code == 0
    assert read_status(path)["status"] == "completed"


def test_a_damaged_newest_commit_is_noted_and_the_one_before_gives_the_same_result(
    call: Call, cut: Cut, whole: Path
) -> None:
    path = cut()
    newest = path / "checkpoint" / commits(path)[-1]
    flip(newest)
    answer = call("resume", "run")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[0] == (
        f"note: checkpoint {newest} is damaged: its content does not have the SHA-256 that it states; "
        "the commit before it is used"
    )
    assert differing(remains(whole), remains(path)) == []


def test_a_run_cut_off_before_its_first_commit_starts_again(call: Call, cut: Cut, whole: Path) -> None:
    path = cut()
    for name in commits(path):
        (path / "checkpoint" / name).unlink()
    assert call("resume", "run").code == 0
    assert differing(remains(whole), remains(path)) == []


def test_a_resumed_run_says_that_it_runs(call: Call, cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    path, train, seen = cut(), job.train, []

    def watching(*arguments: Any) -> Any:
        seen.append(read_status(path)["status"])
        return train(*arguments)

    monkeypatch.setattr(job, "train", watching)
    assert call("resume", "run").code == 0
    assert seen == ["running"]


# ---- nothing to do


def test_a_completed_run_is_left_alone(call: Call, whole: Path) -> None:
    before = everything(whole)
    answer = call("resume", "whole")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "note: whole is completed: reached the limit of 6 epochs; there is nothing to resume\n"
    assert everything(whole) == before


def test_a_diverged_run_is_left_alone_and_its_exit_code_is_3_again(call: Call, tmp_path: Path) -> None:
    assert call("optimizer=sgd", "lr=1e6", "epochs=3", "hydra.run.dir=run").code == 3
    before = everything(tmp_path / "run")
    answer = call("resume", "run")
    verdict = read_status(tmp_path / "run")["verdict"]
    assert (answer.code, answer.err) == (3, "")
    assert answer.out == f"note: run is diverged: {verdict}; there is nothing to resume\n"
    assert everything(tmp_path / "run") == before


def test_a_run_that_missed_its_expectation_misses_it_again(call: Call) -> None:
    assert call(*ARGUMENTS, "expect.val_accuracy=0.9999", "hydra.run.dir=run").code == 8
    assert call("resume", "run").code == 8


def test_a_run_killed_while_it_drew_gets_its_pictures(call: Call, whole: Path) -> None:
    svg = (whole / "curves.svg").read_bytes()
    for picture in ("curves.svg", "curves.png"):
        (whole / picture).unlink()
    assert call("resume", "whole").code == 0
    assert (whole / "curves.svg").read_bytes() == svg


# ---- refusals


@pytest.mark.parametrize("what", ["missing", "empty", "file", "other"])
def test_a_folder_that_is_no_run_is_refused(what: str, call: Call, tmp_path: Path) -> None:
    if what in ("empty", "other"):
        (tmp_path / what).mkdir()
    if what == "other":
        (tmp_path / what / "config.yaml").write_text("lr: 0.1")
    if what == "file":
        (tmp_path / what).write_text("")
    answer = call("resume", what)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"optrun: {what} is refused\n"
        "  allowed: the folder of a run or of a sweep\n"
        "  do this: name a folder that optrun made, as in outputs/...\n"
    )


def test_resume_without_a_folder_is_refused(call: Call) -> None:
    answer = call("resume")
    assert answer.code == 2
    assert answer.err == (
        "optrun: resume is refused\n"
        "  allowed: optrun resume FOLDER, and plugins=[my_package] where the run has parts of yours\n"
        "  do this: name one folder, as in outputs/...\n"
    )


def test_a_run_that_is_alive_is_left_to_its_process(call: Call, cut: Cut) -> None:
    path = cut()
    with RunFolder.open(path):
        answer = call("resume", "run")
    assert (answer.code, answer.out) == (5, "")
    assert answer.err == f"optrun: {path} is in use by process {os.getpid()}; wait for it or stop it\n"


@pytest.mark.parametrize("name", ["manifest.json", "config.yaml", "metrics.csv", "timing.csv", "summary.json"])
def test_a_damaged_file_is_named_and_nothing_is_trained(name: str, call: Call, cut: Cut) -> None:
    path = cut()
    flip(path / name, place=2)
    before = everything(path)
    answer = call("resume", "run")
    assert answer.code == 6
    assert name in answer.err
    assert answer.err.count("\n") == 1
    after = everything(path)
    del before[".lock"], after[".lock"]
    assert after == before


@pytest.mark.parametrize("name", ["metrics.csv", "timing.csv", "summary.json", "preprocess.npz", "config.yaml"])
def test_a_file_that_is_gone_is_named_and_nothing_is_trained(name: str, call: Call, cut: Cut) -> None:
    path = cut()
    (path / name).unlink()
    answer = call("resume", "run")
    assert answer.code == 6
    assert f"{name} is missing" in answer.err
    assert not (path / name).exists()


@pytest.mark.parametrize("name", ["manifest.json", "metrics.csv", "summary.json"])
def test_no_picture_is_drawn_from_a_file_that_was_damaged(name: str, call: Call, whole: Path) -> None:
    before = everything(whole)
    flip(whole / name, place=-9)
    answer = call("plot", "whole")
    assert (answer.code, answer.out) == (6, "")
    assert f"{whole / name} " in answer.err or name in answer.err
    assert everything(whole) == before | {name: (whole / name).read_bytes()}


def test_of_a_run_that_was_cut_off_what_no_commit_has_is_drawn_with_a_notice(call: Call, cut: Cut) -> None:
    path = cut()
    with open(path / "metrics.csv", "a") as file:
        file.write((path / "metrics.csv").read_text().splitlines()[-1].replace("3,", "4,", 1) + "\n")
    answer = call("plot", "run")
    notice = "note: nothing vouches for the last 1 rows of run/metrics.csv: no commit has them yet\n"
    assert (answer.code, answer.out) == (0, notice + "run/curves.png\nrun/curves.svg\n")


def test_a_run_of_an_earlier_version_is_taken_up_with_a_notice_that_its_summary_has_no_hash(
    call: Call, whole: Path
) -> None:
    unsealed_by_an_earlier_version(whole)
    answer = call("resume", "whole")
    notice = "note: whole/summary.json was written before it had a hash: damage to it would not be seen\n"
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(notice)


def test_when_both_commits_are_damaged_both_are_named(call: Call, cut: Cut) -> None:
    path = cut()
    older, newer = (path / "checkpoint" / name for name in commits(path))
    flip(older)
    newer.write_bytes(newer.read_bytes()[:1000])
    answer = call("resume", "run")
    assert answer.code == 6
    cause = "is damaged: its content does not have the SHA-256 that it states"
    expected = f"optrun: checkpoint {newer} {cause}; checkpoint {older} {cause}: no commit of this run can be used\n"
    assert answer.err == expected


def test_a_run_whose_data_have_changed_is_refused(call: Call, cut: Cut, tmp_path: Path) -> None:
    lines = [f"{n % 7},{n % 5},{'yes' if n % 3 else 'no'}" for n in range(60)]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,label", *lines]) + "\n")
    path = cut("dataset=csv", f"dataset.path={tmp_path / 'data.csv'}", "dataset.target=label", "batch_size=10")
    (tmp_path / "data.csv").write_text("\n".join(["a,b,label", "6,6,yes", *lines[1:]]) + "\n")
    answer = call("resume", "run")
    assert answer.code == 6
    assert answer.err == (
        f"optrun: {path.name}: the data are not those that this run was started with (data_sha256 differs)\n"
    )


# ---- divergence is a result


def test_a_diverging_run_ends_with_its_row_its_sentence_and_finite_parameters(call: Call, tmp_path: Path) -> None:
    answer = call("optimizer=sgd", "lr=1e6", "epochs=3", "hydra.run.dir=run")
    assert (answer.code, answer.err) == (3, "")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "diverged"
    assert summary["verdict"] == "the training loss became nan in epoch 1, after step 2"
    header, last = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    row = dict(zip(header.split(","), last.split(","), strict=True))
    assert (row["epoch"], row["step"], row["train_loss"], row["grad_norm"]) == ("1", "2", "nan", "nan")
    found = checkpoint.newest(tmp_path / "run" / "checkpoint")
    assert found is not None
    assert found[0]["content"]["step"] == 2, "the step that diverged was not made"
    assert found[0]["content"]["theta"].isfinite().all()


def test_parameters_that_an_update_made_infinite_are_never_committed_but_the_rows_are_durable(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable: list[tuple[str, int]] = []
    synced = folder.synced

    def noted(*paths: Path) -> None:
        synced(*paths)
        durable.extend((path.name, path.stat().st_size) for path in paths)

    monkeypatch.setattr(folder, "synced", noted)
    # A gradient of 1e9 times 1e30 is more than a float32 holds: the update overflows although the gradient did not.
    assert call("problem=bowl", "start=[1e9]", "optimizer=sgd", "lr=1e30", "epochs=3", "hydra.run.dir=run").code == 3
    found = checkpoint.newest(tmp_path / "run" / "checkpoint")
    assert found is None or found[0]["content"]["theta"].isfinite().all()
    for name in ("metrics.csv", "timing.csv"):
        assert (name, (tmp_path / "run" / name).stat().st_size) in durable


# ---- disks


def test_a_file_in_place_of_the_parent_is_a_disk_error(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    answer = call(*ARGUMENTS, "hydra.run.dir=file/run")
    assert (answer.code, answer.out) == (4, "")
    assert answer.err == f"optrun: cannot make the run folder {tmp_path / 'file' / 'run'}: Not a directory\n"
    assert (tmp_path / "file").read_text() == "mine"


def test_a_name_that_is_too_long_is_a_disk_error(call: Call, tmp_path: Path) -> None:
    answer = call(*ARGUMENTS, f"hydra.run.dir={'x' * 300}")
    assert answer.code == 4
    assert answer.err == f"optrun: cannot make the run folder {tmp_path / ('x' * 300)}: File name too long\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_parent_is_a_disk_error(call: Call, tmp_path: Path) -> None:
    (tmp_path / "parent").mkdir(mode=0o555)
    answer = call(*ARGUMENTS, "hydra.run.dir=parent/run")
    assert answer.code == 4
    path = tmp_path / "parent" / "run"
    assert answer.err == f"optrun: cannot make the run folder {path}: Permission denied\n"


def limited(size: int) -> Callable[[], None]:
    """Lets no file grow beyond `size`: a quota, which needs neither root nor a disk of its own."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def program(*arguments: str, cwd: Path, **options: Any) -> Answer:
    done = subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        text=True,
        timeout=120,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options,
    )
    return Answer(done.returncode, done.stdout or "", done.stderr or "")


def test_a_quota_is_a_disk_error_and_the_run_goes_on_once_there_is_room(whole: Path, tmp_path: Path) -> None:
    answer = program(*ARGUMENTS, "hydra.run.dir=run", cwd=tmp_path, preexec_fn=limited(8_000))
    path = tmp_path / "run"
    assert answer.code == 4
    assert answer.err == f"optrun: cannot write {path / 'checkpoint' / '00000001.ckpt'}: File too large\n"
    assert read_status(path)["status"] == "failed"
    assert temporary(path) == []
    assert program("resume", "run", cwd=tmp_path).code == 0
    assert differing(remains(whole), remains(path)) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB, where this user may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a tmpfs")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_is_a_disk_error_and_the_run_goes_on_once_there_is_room(
    call: Call, tiny_disk: Path, tmp_path: Path
) -> None:
    arguments = (*ARGUMENTS, "architecture.hidden=[32]")  # its commits take 44 kB each
    assert call(*arguments, "hydra.run.dir=whole").code == 0
    (tiny_disk / "ballast").write_bytes(b"x" * 200_000)
    answer = program(*arguments, "hydra.run.dir=disk/run", cwd=tmp_path)
    path = tiny_disk / "run"
    assert answer.code == 4
    first = path / "checkpoint" / "00000001.ckpt"
    assert answer.err == f"optrun: cannot write {first}: No space left on device\n"
    assert temporary(path) == []
    (tiny_disk / "ballast").unlink()
    assert program("resume", "disk/run", cwd=tmp_path).code == 0
    assert differing(remains(tmp_path / "whole"), remains(path)) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_does_not_end_a_run(whole: Path, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        assert program(*ARGUMENTS, "hydra.run.dir=run", cwd=tmp_path, stdout=full).code == 0
    assert differing(remains(whole), remains(tmp_path / "run")) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        *((["list"], ""), (["list"], "1"), (["--version"], ""), (["plot", "run"], "")),
        *((["-c", "job"], ""), (["schedule"], "")),
    ],
    ids=str,
)
def test_a_command_that_can_print_nothing_says_why_in_a_line(
    arguments: list[str], unbuffered: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    shutil.copytree(whole, tmp_path / "run")
    with open("/dev/full", "w") as full:
        answer = program(*arguments, cwd=tmp_path, stdout=full)
    assert answer.err == "optrun: cannot write to standard output: No space left on device\n"
    assert answer.code == 4


def test_the_clock_of_a_resumed_run_may_stand_earlier(
    call: Call, cut: Cut, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cut()
    monkeypatch.setattr(folder, "time", SimpleNamespace(monotonic=lambda: 0.5, sleep=lambda seconds: None))
    assert call("resume", "run").code == 0
    assert differing(remains(whole), remains(path)) == []
    assert math.isfinite(read_status(path)["train_s"])


def other_mean(file: Path) -> None:
    arrays = dict(np.load(file))
    np.savez(file, **arrays | {"mean": arrays["mean"] + 1})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Path.unlink, "is missing, which holds what the preprocessing learned when the run was started"),
        (lambda file: flip(file, 300), "is damaged: Bad CRC-32 for file 'mean.npy'"),
        (other_mean, "does not hold what the preprocessing learns of the training part now"),
    ],
)
def test_statistics_that_are_missing_damaged_or_other_ones_are_noticed(
    change: Callable[[Path], object], said: str, cut: Cut, call: Call
) -> None:
    path = cut()
    change(path / "preprocess.npz")
    answer = call("resume", "run")
    assert (answer.code, answer.err) == (6, f"optrun: run/preprocess.npz {said}\n")


def test_statistics_that_unpack_to_more_than_they_can_be_are_damage(call: Call, cut: Cut) -> None:
    path = cut()
    with zipfile.ZipFile(path / "preprocess.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mean.npy", bytes(50_000_000))
    answer = call("resume", "run")
    assert answer.code == 6
    assert answer.err.startswith("optrun: run/preprocess.npz is damaged: it unpacks to more than")


def test_a_config_that_is_no_yaml_is_refused_though_its_hashes_fit(call: Call, cut: Cut) -> None:
    path = cut()
    config = (path / "config.yaml").read_text() + "x: !!python/object/apply:os.getcwd []\n"
    (path / "config.yaml").write_text(config)
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["sha256"]
    manifest = folder.sealed(manifest | {"config_sha256": hashlib.sha256(config.encode()).hexdigest()})
    (path / "manifest.json").write_text(json.dumps(manifest))
    summary = folder.sealed({"status": "running"}, of=manifest["sha256"])
    (path / "summary.json").write_text(json.dumps(summary))
    shutil.rmtree(path / "checkpoint")
    (path / "checkpoint").mkdir()
    answer = call("resume", "run")
    assert answer.code == 2
    assert "could not determine a constructor for the tag" in answer.err
    assert "  allowed: plain values, as optrun writes them\n" in answer.err
