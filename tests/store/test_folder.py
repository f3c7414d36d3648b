"""The run folder: claimed whole or not at all, owned by one process, and never trusted where it does not fit."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from runner.core.errors import ConfigError, CorruptError, DiskError, LockedError, OptrunError
from runner.store import folder as store
from runner.store import lock
from runner.store.base import write_json
from runner.store.folder import RunFolder, is_run, read_config, read_manifest, read_rows, read_status, refuse_taken
from tests.store.earlier import unsealed_by_an_earlier_version

REPO = Path(__file__).parents[2]
COLUMNS = ("epoch", "step", "examples", "lr", "train_loss", "val_loss", "grad_norm")
FILES = {".lock", "checkpoint", "config.yaml", "manifest.json", "metrics.csv", "summary.json", "timing.csv"}
STRANGE = ["with space", "größe θ 😀", "a=b,c", "two\nlines", "-m", "'quoted\" [x]*?", "%s {}", "a" * 255]


def claimed(path: Path, config: str = "lr: 0.1\n", **manifest: Any) -> RunFolder:
    return RunFolder.claim(path, config, {"seed": 0} | manifest, COLUMNS)


def row(epoch: int, loss: float = 0.5) -> dict[str, float]:
    numbers = {"lr": 0.1, "train_loss": loss, "val_loss": loss / 3, "grad_norm": 1e-300}
    return {"epoch": epoch, "step": 10 * epoch, "examples": 100 * epoch, **numbers}


def worked(path: Path, epochs: int = 3, committed: tuple[int, ...] = (2,), **claim: Any) -> Path:
    """A run of some epochs, of which some were followed by a commit, that was then killed."""
    with claimed(path, **claim) as run:
        for epoch in range(1, epochs + 1):
            run.append(row(epoch), 0.01, 100)
            if epoch in committed:
                run.commit({"epoch": epoch, "theta": torch.full((3,), float(epoch))})
    return path


@contextmanager
def opened(path: Path) -> Iterator[RunFolder]:
    with RunFolder.open(path) as run:
        yield run


def message(error: type[OptrunError], path: Path) -> str:
    with pytest.raises(error) as raised:
        RunFolder.open(path)
    return str(raised.value)


# ---- the claim


def test_a_claimed_folder_has_every_file_and_says_that_it_runs(tmp_path: Path) -> None:
    with claimed(tmp_path / "run", config="lr: 0.1\n") as run:
        assert {path.name for path in run.path.iterdir()} == FILES
        assert read_config(run.path) == "lr: 0.1\n"
        assert read_status(run.path) == store.sealed({"status": "running"}, of=read_manifest(run.path)["sha256"])
        manifest = read_manifest(run.path)
        assert manifest["config_sha256"] == hashlib.sha256(b"lr: 0.1\n").hexdigest()
        assert (manifest["format"], manifest["seed"], manifest["columns"]) == (2, 0, list(COLUMNS))
        assert (run.path / "metrics.csv").read_text() == ",".join(COLUMNS) + "\n"
        assert (run.path / "timing.csv").read_text() == "epoch,time_s,epoch_s,examples_per_s\n"
        assert (run.rows, run.restored, run.notices) == ([], None, [])
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_folder_appears_with_everything_in_it_and_its_lock_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "run", os.rename
    seen = []

    def watching(source: Path, target: Path) -> None:
        assert not path.exists()
        assert {each.name for each in Path(source).iterdir()} == FILES
        rename(source, target)
        seen.append((Path(target), store.in_use(path), read_status(path)["status"]))

    monkeypatch.setattr(os, "rename", watching)
    with claimed(path):
        assert seen == [(path, True, "running")]


def test_an_empty_folder_is_accepted_and_so_are_missing_parents(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with claimed(tmp_path / "empty"), claimed(tmp_path / "new" / "deep" / "run"):
        assert is_run(tmp_path / "empty")
        assert is_run(tmp_path / "new" / "deep" / "run")


def test_a_folder_with_a_run_is_refused_and_the_message_names_resume(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    with pytest.raises(ConfigError) as refused:
        claimed(path)
    assert str(refused.value) == (
        f"hydra.run.dir={path} is refused\n"
        "  allowed: a new or an empty folder; this one holds a run\n"
        f"  do this: optrun resume {path} continues it; for another run choose a new folder"
    )
    assert {each: each.read_bytes() for each in path.rglob("*") if each.is_file()} == before


@pytest.mark.parametrize("kind", ["a file in it", "a hidden file in it", "a folder in it", "a file in its place"])
def test_a_place_where_something_else_is_is_refused_and_left_alone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    if kind == "a file in its place":
        path.write_text("mine")
    else:
        path.mkdir()
        {"a file in it": path / "x", "a hidden file in it": path / ".x", "a folder in it": path / "x" / "y"}[
            kind
        ].mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError) as refused:
        claimed(path)
    assert str(refused.value) == (
        f"hydra.run.dir={path} is refused\n"
        "  allowed: a new or an empty folder; something else is there\n"
        "  do this: choose a new folder"
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_where_a_run_is_alive_is_locked_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with claimed(path):
        for attempt in (claimed, refuse_taken, RunFolder.open):
            with pytest.raises(LockedError) as locked:
                attempt(path)
            assert str(locked.value) == f"{path} is in use by process {os.getpid()}; wait for it or stop it"


def test_a_run_that_appears_while_one_looks_is_seen_as_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, path = worked(tmp_path / "other"), tmp_path / "run"
    path.mkdir()
    iterdir = Path.iterdir

    def just_then(self: Path) -> Iterator[Path]:
        if self == path and other.exists():
            os.rename(other, path)
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", just_then)
    with pytest.raises(ConfigError, match="this one holds a run"):
        refuse_taken(path)


@pytest.mark.parametrize("name", STRANGE)
def test_any_name_that_the_system_takes_is_a_name_for_a_run(name: str, tmp_path: Path) -> None:
    path = worked(tmp_path / name)
    with opened(path) as run:
        assert [each["epoch"] for each in run.rows] == [1, 2]
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("where", "cause"),
    [
        ("file/run", "Not a directory"),
        ("file/deep/run", "Not a directory"),
        ("x" * 256, "File name too long"),
        ("x/" * 3000, "File name too long"),
    ],
    ids=["a file is the parent", "a file is an ancestor", "name too long", "path too long"],
)
def test_a_place_that_cannot_be_is_a_disk_error_that_names_it(where: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError) as error:
        claimed(tmp_path / where)
    assert str(error.value) == f"cannot make the run folder {tmp_path / where}: {cause}"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_place_to_which_links_go_round_in_a_circle_is_a_disk_error(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for attempt in (claimed, RunFolder.open):
        with pytest.raises(DiskError) as error:
            attempt(loop)
        assert str(error.value) == f"cannot find {loop}: Too many levels of symbolic links"


def test_a_mounted_disk_is_refused_as_a_run_folder_and_a_folder_on_it_is_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "disk"
    path.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda asked: asked == path)
    with pytest.raises(ConfigError) as refused:
        claimed(path)
    assert str(refused.value) == (
        f"hydra.run.dir={path} is refused\n"
        "  allowed: a new or an empty folder that is not itself a mounted disk\n"
        f"  do this: name a folder on it: hydra.run.dir={path}/run"
    )
    worked(path / "run")


@pytest.mark.parametrize("call", ["mkdir", "open", "pwrite", "ftruncate", "write", "fsync", "rename"])
def test_a_claim_that_fails_at_any_call_leaves_nothing_and_frees_its_lock(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, call)
    for at in itertools.count(1):
        path, number = tmp_path / str(at) / "run", itertools.count(1)
        path.parent.mkdir()

        def failing(*arguments: Any, number: Iterator[int] = number, at: int = at, **options: Any) -> Any:
            if next(number) == at:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, failing)
            try:
                claimed(path).__exit__()
                told = None
            except DiskError as error:
                told = str(error)
        if next(number) <= at:
            assert told is None
            break
        assert told is not None
        assert "Input/output error" in told
        assert str(path.parent) in told
        assert [each.name for each in path.parent.iterdir()] == []
        claimed(path).__exit__()
    assert at > 1, "nothing was made to fail"


def test_every_file_is_durable_before_the_rename_that_makes_it_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, set[str]]] = []
    durable: set[str] = set()
    sync, rename, replace = os.fsync, os.rename, os.replace

    def synced(descriptor: int) -> None:
        sync(descriptor)
        durable.add(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)

    def noted(call: Any) -> Any:
        def renaming(old: Any, new: Any) -> None:
            told.append((Path(new).name, set(durable)))
            durable.clear()
            call(old, new)

        return renaming

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", noted(rename))
    monkeypatch.setattr(os, "replace", noted(replace))
    with RunFolder.claim(tmp_path / "run", "lr: 0.1\n", {"seed": 0}, COLUMNS, {"extra.npz": b"1"}) as run:
        staging = next(name for name in told[0][1] if name.startswith(".claim."))
        for number in (1, 2):
            run.append(row(number), 0.01, 100)
            run.commit({"epoch": number})
    both = {"metrics.csv", "timing.csv"}
    assert told == [
        ("run", {staging, "config.yaml", "manifest.json", "summary.json", "extra.npz", *both}),
        ("00000001.ckpt", {".00000001.ckpt.tmp", tmp_path.name, *both}),  # and the name of the run in its parent
        ("00000002.ckpt", {".00000002.ckpt.tmp", "checkpoint", *both}),  # that of the commit before it
    ]
    assert durable == {"checkpoint"}


# ---- two at once


CROWD = 8


@pytest.fixture(scope="module")
def crowd() -> Iterator[ProcessPoolExecutor]:
    """As many processes, all of which have imported what they need."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["runner.store.folder"])
    with ProcessPoolExecutor(CROWD, mp_context=context) as pool:
        yield pool


def at_once(act: str, path: str, start_s: float) -> str:
    """Claim or open a run together with the rest of the crowd; what came of it. The owner outlasts all the others."""
    said = Path(f"{path}.said")
    while time.time() < start_s:
        pass
    try:
        if act == "open":
            read_status(Path(path))  # as `optrun resume` does first
        with claimed(Path(path)) if act == "claim" else RunFolder.open(Path(path)) as run:
            while len(list(said.iterdir())) < CROWD - 1 and time.time() < start_s + 60:
                time.sleep(0.001)
            return f"owner at {len(run.rows)}"
    except OptrunError as error:
        (said / os.urandom(8).hex()).touch()  # one process may have had two turns
        return f"{type(error).__name__}: {error}"


def outcomes(crowd: ProcessPoolExecutor, act: str, path: Path) -> list[str]:
    """What the processes say, the owner last."""
    Path(f"{path}.said").mkdir()
    said = crowd.map(at_once, [act] * CROWD, [str(path)] * CROWD, [time.time() + 0.1] * CROWD)
    return sorted(said)


def test_of_eight_processes_that_claim_one_path_at_once_one_owns_it_and_the_others_are_told(
    crowd: ProcessPoolExecutor, tmp_path: Path
) -> None:
    for number in range(20):
        path = tmp_path / f"run{number}"
        if number % 2:
            path.mkdir()
        *told, owner = outcomes(crowd, "claim", path)
        assert owner == "owner at 0", told
        assert all(each.startswith(f"LockedError: {path} is in use by process ") for each in told), told
        assert {each.name for each in path.iterdir()} == FILES
        read_manifest(path)
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_of_eight_processes_that_resume_one_run_at_once_one_does(crowd: ProcessPoolExecutor, tmp_path: Path) -> None:
    for number in range(10):
        path = worked(tmp_path / f"run{number}")
        *told, owner = outcomes(crowd, "open", path)
        assert owner == "owner at 2", told
        assert all(each.startswith(f"LockedError: {path} is in use by process ") for each in told), told


def test_asking_whether_a_run_is_alive_does_not_keep_its_resumption_out(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    asking = subprocess.Popen(
        [sys.executable, "-c", ASK, str(path)], env=os.environ | {"PYTHONPATH": str(REPO)}, stdout=subprocess.PIPE
    )
    try:
        assert asking.stdout
        assert asking.stdout.readline() == b"asking\n"
        for _ in range(200):
            with opened(path):
                pass
    finally:
        asking.kill()
        asking.communicate()


ASK = """
import sys
from pathlib import Path
from runner.store.folder import in_use
print("asking", flush=True)
while True:
    in_use(Path(sys.argv[1]))
"""

HOLD = """
import sys, time
from pathlib import Path
from runner.store.folder import RunFolder
run = RunFolder.open(Path(sys.argv[1]))
print("open", flush=True)
time.sleep(600)
"""


def test_the_lock_names_its_process_and_is_free_when_that_is_killed(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], env=environment, stdout=subprocess.PIPE)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == b"open\n"
        assert message(LockedError, path) == f"{path} is in use by process {holder.pid}; wait for it or stop it"
        assert read_status(path)["status"] == "running"
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    status = read_status(path)
    assert (status["status"], status["verdict"]) == ("interrupted", "the process was killed")
    with opened(path) as run:
        assert len(run.rows) == 2


def test_two_that_ask_at_once_whether_a_run_is_alive_do_not_see_each_other(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    asking = os.open(path / ".lock", os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)  # as `in_use` does for some microseconds
    try:
        assert not store.in_use(path)
    finally:
        os.close(asking)


def test_who_asks_and_does_not_go_away_is_waited_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = worked(tmp_path / "run")
    now = itertools.count()
    waits: list[float] = []
    monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=lambda: next(now), sleep=waits.append))
    asking = os.open(path / ".lock", os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    try:
        assert "is in use by process" in message(LockedError, path)
    finally:
        os.close(asking)
    assert len(waits) == lock.PATIENCE_S


def test_what_a_claim_that_was_killed_left_is_removed_when_it_is_old_and_nobody_holds_it(tmp_path: Path) -> None:
    old, young, alive = (tmp_path / f".claim.{name}.tmp" for name in ("old", "young", "alive"))
    for path in (old, young, alive):
        path.mkdir()
    holding = lock.locked(alive)
    for path in (old, alive):
        os.utime(path, (0, 0))
    try:
        store.clear_abandoned(tmp_path)
        assert sorted(tmp_path.iterdir()) == [alive, young]
        store.clear_abandoned(tmp_path, -math.inf)
        assert sorted(tmp_path.iterdir()) == [alive]
        store.clear_abandoned(tmp_path / ("x" * 300))  # the claim will say that this cannot be
    finally:
        os.close(holding)


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with claimed(path):
        child = subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"  # up to its exec a child does hold the lock, for microseconds
    try:
        with opened(path):
            pass
    finally:
        child.communicate(b"\n")


# ---- rows and commits


def test_what_was_committed_is_there_again_and_what_lies_behind_is_cut(tmp_path: Path) -> None:
    path = worked(tmp_path / "run", epochs=5, committed=(1, 2, 3))
    assert (path / "metrics.csv").read_text().count("\n") == 6
    with opened(path) as run:
        assert run.rows == [row(1), row(2), row(3)]
        assert run.restored is not None
        assert run.restored["theta"].tolist() == [3, 3, 3]
        assert (path / "metrics.csv").read_text().count("\n") == 4
        assert (path / "timing.csv").read_text().count("\n") == 4
        run.append(row(4), 0.01, 100)
        run.commit({"epoch": 4})
    with opened(path) as run:
        assert run.rows == [row(1), row(2), row(3), row(4)]
    assert sorted(each.name for each in (path / "checkpoint").iterdir()) == ["00000003.ckpt", "00000004.ckpt"]


def test_a_row_that_was_cut_off_by_a_kill_is_dropped(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    committed = worked(tmp_path / "same", epochs=2) / "metrics.csv"
    for tail in (b"3,30,300,0.", b"garbage\n\n\xff\x00", b"3" * 100_000):
        with open(path / "metrics.csv", "ab") as file:
            file.write(tail)
        with opened(path) as run:
            assert run.rows == [row(1), row(2)]
        assert (path / "metrics.csv").read_bytes() == committed.read_bytes()


def test_a_run_without_a_commit_starts_again_from_its_header(tmp_path: Path) -> None:
    path = worked(tmp_path / "run", epochs=2, committed=())
    with opened(path) as run:
        assert (run.rows, run.restored) == ([], None)
    assert (path / "metrics.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_a_commit_records_length_and_hash_of_both_files(tmp_path: Path) -> None:
    path = worked(tmp_path / "run", epochs=2, committed=(2,))
    kept = store.checkpoint.read(path / "checkpoint" / "00000001.ckpt")["folder"]
    for name in ("metrics", "timing"):
        data = (path / f"{name}.csv").read_bytes()
        assert kept[name] == [len(data), hashlib.sha256(data).hexdigest()]
    assert kept["run"] == read_manifest(path)["sha256"]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    left = [path / ".summary.json.123.tmp", path / "checkpoint" / ".00000002.ckpt.tmp"]
    for each in left:
        each.write_bytes(b"half")
    with opened(path):
        assert [each for each in left if each.exists()] == []


def test_elapsed_time_goes_on_where_the_last_commit_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: now[0])
    with claimed(tmp_path / "run") as run:
        now[0] += 5
        run.commit({})
        now[0] += 100  # lost with the kill
    now[0] = 3.0  # another boot
    with opened(tmp_path / "run") as run:
        now[0] += 2
        assert run.elapsed_s == 7


def test_a_commit_is_due_after_a_second_or_many_times_its_own_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, cost = [1000.0], [0.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: now[0])
    write = store.checkpoint.write

    def costly(*arguments: Any) -> Path:
        now[0] += cost[0]
        return write(*arguments)

    monkeypatch.setattr(store.checkpoint, "write", costly)
    with claimed(tmp_path / "run") as run:
        assert run.due_at() == 1001
        run.expect(1000)
        assert run.due_at() == 1001
        run.expect(18_000_000)  # 0.06 s
        assert run.due_at() == pytest.approx(1006)
        run.commit({})
        assert run.due_at() == 1001
        cost[0] = 3
        run.commit({})
        assert run.due_at() == 1003 + 3 * store.SHARE


FLOATS = [0.1, -0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 1 / 3]


def round_trip(values: list[float], path: Path) -> list[float]:
    names = [f"c{number}" for number in range(len(values))]
    path.write_text(",".join(names) + "\n" + ",".join(store.spelled(value) for value in values) + "\n")
    return [read_rows(path)[0][name] for name in names]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows") / "metrics.csv"


@given(st.lists(st.floats() | st.sampled_from(FLOATS), min_size=1, max_size=8))
def test_a_number_in_metrics_csv_is_read_as_the_number_that_was_written(scratch: Path, values: list[float]) -> None:
    back = round_trip(values, scratch)
    for value, again in zip(values, back, strict=True):
        assert math.isnan(again) if math.isnan(value) else struct.pack("d", again) == struct.pack("d", value)


@given(st.integers(0, 2**63))
def test_a_count_in_metrics_csv_is_a_whole_number_again(scratch: Path, count: int) -> None:
    scratch.write_text(f"epoch,step,examples\n{store.spelled(count)},1,2\n")
    again = read_rows(scratch)[0]["epoch"]
    assert (again, type(again)) == (count, int)


# ---- what does not fit is not trusted


def edited(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_a_changed_manifest_is_refused(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    edited(path / "manifest.json", b'"seed": 0', b'"seed": 1')
    text = f"{path / 'manifest.json'} was changed or damaged since it was written"
    assert message(CorruptError, path) == text


def test_a_manifest_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["sha256"]
    write_json(path / "manifest.json", store.sealed(manifest | {"format": 3}))
    assert message(CorruptError, path) == f"{path} has format 3; this optrun reads formats up to 2"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": "1"}', b"{}"])
def test_a_manifest_that_is_none_is_refused(text: bytes, tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    (path / "manifest.json").write_bytes(text)
    assert str(path) in message(CorruptError, path)


def test_every_flipped_bit_of_the_manifest_is_detected(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    file = path / "manifest.json"
    good = file.read_bytes()
    for place in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            file.write_bytes(bad)
            with pytest.raises(CorruptError):
                read_manifest(path)


def test_a_changed_config_is_refused(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    edited(path / "config.yaml", b"0.1", b"0.2")
    with pytest.raises(CorruptError) as error:
        read_config(path)
    file = path / "config.yaml"
    assert str(error.value) == f"{file} was changed since the run started; start a new run for another choice"


@pytest.mark.parametrize("name", ["metrics.csv", "timing.csv"])
def test_every_flipped_bit_of_what_was_committed_is_detected_in_the_csv_files(name: str, tmp_path: Path) -> None:
    path = worked(tmp_path / "run", epochs=2)
    good = (path / name).read_bytes()
    text = f"{path / name} does not hold what was committed; it was changed or damaged since"
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        (path / name).write_bytes(bad)
        assert message(CorruptError, path) == text
    for length in range(len(good)):
        (path / name).write_bytes(good[:length])
        assert message(CorruptError, path) == text
    (path / name).write_bytes(good)
    with opened(path):
        pass


@pytest.mark.parametrize("name", ["metrics.csv", "timing.csv"])
def test_a_damaged_header_is_detected_also_before_the_first_commit(name: str, tmp_path: Path) -> None:
    path = worked(tmp_path / "run", epochs=2, committed=())
    good = (path / name).read_bytes()
    for data in (b"", good[:10], good.replace(b"epoch", b"epocg", 1), good.replace(b",", b";", 1), b"\n" + good):
        (path / name).write_bytes(data)
        text = f"{path / name} does not hold what was committed; it was changed or damaged since"
        assert message(CorruptError, path) == text


@pytest.mark.parametrize("name", ["metrics.csv", "timing.csv", "manifest.json", "checkpoint"])
def test_files_swapped_between_two_runs_are_detected(name: str, tmp_path: Path) -> None:
    one = worked(tmp_path / "one", config="lr: 0.1\n", created="now")
    two = worked(tmp_path / "two", config="lr: 0.1\n", created="then")
    with claimed(tmp_path / "three", config="lr: 0.1\n", created="later") as run:
        run.append(row(1, 0.7), 0.01, 100)
        run.append(row(2, 0.6), 0.01, 100)
        run.commit({})
    for other in (two, tmp_path / "three"):
        for source, target in ((one, other), (other, one)):
            mixed = tmp_path / f"{source.name}-{target.name}"
            shutil.copytree(target, mixed)
            same = (source / name).is_file() and (source / name).read_bytes() == (target / name).read_bytes()
            shutil.rmtree(mixed / name) if (mixed / name).is_dir() else (mixed / name).unlink()
            (shutil.copytree if (source / name).is_dir() else shutil.copy)(source / name, mixed / name)
            if not same:
                message(CorruptError, mixed)


def test_a_config_of_another_run_is_refused(tmp_path: Path) -> None:
    one, two = worked(tmp_path / "one", config="lr: 0.1\n"), worked(tmp_path / "two", config="lr: 0.2\n")
    shutil.copy(two / "config.yaml", one / "config.yaml")
    with pytest.raises(CorruptError):
        read_config(one)


def test_a_checkpoint_of_another_run_is_named(tmp_path: Path) -> None:
    one, two = worked(tmp_path / "one", created="now"), worked(tmp_path / "two", created="then")
    file = one / "checkpoint" / "00000001.ckpt"
    shutil.copy(two / "checkpoint" / "00000001.ckpt", file)
    assert message(CorruptError, one) == f"{file} belongs to another run"


def test_a_damaged_newest_commit_gives_way_to_the_one_before_with_a_notice(tmp_path: Path) -> None:
    path = worked(tmp_path / "run", epochs=4, committed=(1, 3))
    newest = path / "checkpoint" / "00000002.ckpt"
    edited(newest, b"theta", b"thetb")
    with opened(path) as run:
        cause = "its content does not have the SHA-256 that it states"
        assert run.notices == [f"checkpoint {newest} is damaged: {cause}"]
        assert run.rows == [row(1)]
        run.append(row(2), 0.01, 100)
        run.commit({"again": True})
    with opened(path) as run:
        assert (run.rows, run.restored, run.notices) == ([row(1), row(2)], {"again": True}, [])


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        assert message(ConfigError, path) == (
            f"{path} is refused\n"
            "  allowed: the folder of a run or of a sweep\n"
            "  do this: name a folder that optrun made, as in outputs/..."
        )
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_has_lost_its_commits_does_not_start_again_in_silence(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    shutil.rmtree(path / "checkpoint")
    before = (path / "metrics.csv").read_bytes()
    assert message(CorruptError, path) == f"{path} has lost the folder checkpoint with its commits"
    assert (path / "metrics.csv").read_bytes() == before


def test_a_failed_opening_frees_the_lock(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    edited(path / "metrics.csv", b"1,10", b"1,11")
    for _ in range(3):
        message(CorruptError, path)
    assert not store.in_use(path)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"status": 1}', '{"status": "complfted"}', '{"status": "completed"}', '{"stbtus": "running"}'],
)
def test_a_summary_without_a_status_is_refused(text: str, tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    (path / "summary.json").write_text(text)
    with pytest.raises(CorruptError) as error:
        read_status(path)
    assert str(error.value).startswith(str(path / "summary.json"))


def test_the_status_of_an_ended_run_is_what_it_wrote(tmp_path: Path) -> None:
    with claimed(tmp_path / "run") as run:
        run.conclude({"status": "completed", "verdict": "reached the limit of 2 epochs"})
    status = read_status(tmp_path / "run")
    assert {"status": "completed", "verdict": "reached the limit of 2 epochs"}.items() <= status.items()


def test_a_summary_with_another_digit_is_refused(tmp_path: Path) -> None:
    with claimed(tmp_path / "run") as run:
        run.conclude({"status": "completed", "verdict": "reached the limit", "test": {"accuracy": 0.91}})
    assert list(json.loads((tmp_path / "run" / "summary.json").read_text()))[-1] == "sha256"
    edited(tmp_path / "run" / "summary.json", b"0.91", b"0.97")
    with pytest.raises(CorruptError) as error:
        read_status(tmp_path / "run")
    text = f"{tmp_path / 'run' / 'summary.json'} was changed or damaged since it was written"
    assert str(error.value) == text


def test_a_summary_of_another_run_is_refused(tmp_path: Path) -> None:
    one, two = worked(tmp_path / "one"), worked(tmp_path / "two", seed=1)
    shutil.copy(two / "summary.json", one / "summary.json")
    with pytest.raises(CorruptError):
        read_status(one)


def test_a_summary_without_a_hash_is_read_where_an_earlier_version_began_the_run_and_else_refused(
    tmp_path: Path,
) -> None:
    old, new = worked(tmp_path / "old"), worked(tmp_path / "new")
    unsealed_by_an_earlier_version(old)
    assert read_status(old)["status"] == "interrupted"
    summary = json.loads((new / "summary.json").read_text())
    write_json(new / "summary.json", {k: v for k, v in summary.items() if k != "sha256"})
    with pytest.raises(CorruptError):
        read_status(new)


@pytest.mark.parametrize("name", ["config.yaml", "manifest.json", "metrics.csv", "timing.csv", "summary.json"])
def test_a_file_that_is_gone_is_damage_and_named(name: str, tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    (path / name).unlink()

    def used() -> None:
        with RunFolder.open(path):
            read_status(path)

    with pytest.raises(CorruptError) as error:
        used()
    assert str(error.value) == f"{path / name} is missing; it was there when the folder was made"


def test_metrics_of_a_run_that_has_ended_are_vouched_for_by_its_summary(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with claimed(path) as run:
        run.append(row(1), 0.01, 100)
        run.conclude({"status": "diverged", "verdict": "the training loss became nan"})
    assert store.verified(path) == []
    edited(path / "metrics.csv", b"1,10", b"1,11")
    with pytest.raises(CorruptError) as error:
        store.verified(path)
    text = f"{path / 'metrics.csv'} does not hold what was committed; it was changed or damaged since"
    assert str(error.value) == text


def test_metrics_of_a_run_that_was_cut_off_are_vouched_for_by_its_commit_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    path = worked(tmp_path / "run", epochs=3, committed=(1,))
    text = f"nothing vouches for the last 2 rows of {path / 'metrics.csv'}: no commit has them yet"
    assert store.verified(path) == [text]
    edited(path / "metrics.csv", b"1,10", b"1,11")
    with pytest.raises(CorruptError):
        store.verified(path)


def test_metrics_of_a_run_without_a_commit_are_counted(tmp_path: Path) -> None:
    path = worked(tmp_path / "run", epochs=2, committed=())
    text = f"nothing vouches for the last 2 rows of {path / 'metrics.csv'}: no commit has them yet"
    assert store.verified(path) == [text]


# ---- disks that fail, folders that go


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "ftruncate"])
def test_a_failing_disk_is_named_and_the_last_commit_is_still_there(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = worked(tmp_path / "run", epochs=2, committed=(1,))

    def failing(*arguments: Any, **options: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def go_on() -> None:
        if call == "ftruncate":
            monkeypatch.setattr(os, call, failing)
        with RunFolder.open(path) as run:
            monkeypatch.setattr(os, call, failing)
            run.append(row(2), 0.01, 100)
            run.commit({"epoch": 2})

    with pytest.raises(DiskError) as error:
        go_on()
    monkeypatch.undo()
    assert str(error.value) in (
        f"cannot write {path / 'metrics.csv'}: No space left on device",
        f"cannot write {path / 'checkpoint' / '00000002.ckpt'}: No space left on device",
        f"cannot lock {path / '.lock'}: No space left on device",
    )
    with opened(path) as run:
        assert run.rows == [row(1)]


def test_half_a_row_on_a_full_disk_is_cut_when_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = worked(tmp_path / "run", epochs=1, committed=(1,)), os.write

    def half(descriptor: int, data: Any) -> int:
        if len(data) <= 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, bytes(data[:5]))

    with monkeypatch.context() as patch, opened(path) as run:
        patch.setattr(os, "write", half)
        with pytest.raises(DiskError):
            run.append(row(2, 0.123456789), 0.01, 100)
    with opened(path) as run:
        assert run.rows == [row(1)]
        run.append(row(2), 0.01, 100)
        run.commit({})
    with opened(path) as run:
        assert run.rows == [row(1), row(2)]


def test_a_folder_that_was_removed_is_a_disk_error(tmp_path: Path) -> None:
    with claimed(tmp_path / "run") as run:
        shutil.rmtree(tmp_path / "run")
        run.append(row(1), 0.01, 100)
        for act in (lambda: run.commit({}), lambda: run.conclude({})):
            with pytest.raises(DiskError) as error:
                act()
            assert str(error.value) == f"cannot write to {tmp_path / 'run'}: No such file or directory"
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_folder_was_replaced_by_another_run_does_not_write_into_that(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with claimed(path) as run:
        run.append(row(1), 0.01, 100)
        shutil.rmtree(path)
        worked(path)
        before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
        for act in (lambda: run.commit({}), lambda: run.conclude({})):
            with pytest.raises(DiskError) as error:
                act()
            assert str(error.value) == (
                f"cannot write to {path}: it was replaced by another folder while this run was using it"
            )
        assert {each: each.read_bytes() for each in path.rglob("*") if each.is_file()} == before


@pytest.mark.parametrize("name", ["metrics.csv", "timing.csv", "checkpoint"])
def test_a_run_folder_that_would_write_through_a_link_is_refused(name: str, tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    (path / name).rename(tmp_path / "outside")
    (path / name).symlink_to(tmp_path / "outside")
    assert message(CorruptError, path) == f"{path / name} is a link: a run writes into its own folder alone"


def test_a_lock_that_is_a_link_does_not_empty_what_it_leads_to(tmp_path: Path) -> None:
    path = worked(tmp_path / "run")
    (tmp_path / "precious").write_text("kept")
    (path / ".lock").unlink()
    (path / ".lock").symlink_to(tmp_path / "precious")
    assert message(CorruptError, path) == f"{path / '.lock'} is a link: whatever it leads to would be emptied"
    assert (tmp_path / "precious").read_text() == "kept"


def test_json_that_is_nested_too_deep_is_damage(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("[" * 100_000)
    with pytest.raises(CorruptError, match="is not JSON: maximum recursion depth exceeded"):
        store.read_json(tmp_path / "summary.json")
