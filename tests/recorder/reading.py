"""What recorders wrote, as the libraries themselves read it, or their own messages where the reader is no Python.

A reader takes a run folder and gives what stands there of the run; a test skips, saying so, where a library is missing.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runner.recorder.base import outcome
from runner.store.folder import ENDED, read_manifest, read_status

BLOCK = 32768  # bytes, in which the records of LevelDB's log lie
HEADER = 7  # of a record: checksum, length, and whether it is whole, or a first, middle or last part
START = b":W&B"
PATIENCE_S = 30.0  # with the process of Weights & Biases, which takes some milliseconds on an idle machine


@dataclass
class Found:
    """epochs: of the rows in the order in which they stand there; columns: name -> their values."""

    title: str
    status: str
    settings: dict[str, str]
    outcome: dict[str, float]
    epochs: list[int]
    columns: dict[str, list[float]] = field(default_factory=dict)


def of_tensorboard(path: Path) -> Found:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import Status

    read = EventAccumulator(str(path / "tensorboard"), size_guidance={"scalars": 0})
    read.Reload()
    tags = read.Tags()

    def hparams(tag: str) -> bytes:
        return bytes(read.SummaryMetadata(tag).plugin_data.content)

    start = metadata.parse_session_start_info_plugin_data(hparams(metadata.SESSION_START_INFO_TAG))
    status = ""
    if metadata.SESSION_END_INFO_TAG in tags["tensors"]:
        end = metadata.parse_session_end_info_plugin_data(hparams(metadata.SESSION_END_INFO_TAG))
        status = {"STATUS_SUCCESS": "completed", "STATUS_FAILURE": "diverged"}[Status.Name(end.status)]

    def text(tag: str) -> str:
        (one,) = read.Tensors(tag) if tag in tags["tensors"] else [None]
        return one.tensor_proto.string_val[0].decode() if one else ""

    summary = json.loads(text("summary") or "{}")
    return Found(
        title=text("run").split("\n")[0],
        status=status,
        settings={key: value.string_value or repr(value.number_value) for key, value in start.hparams.items()},
        outcome=outcome(summary),
        epochs=[int(event.value) for event in read.Scalars("epoch")] if "epoch" in tags["scalars"] else [],
        columns={tag: [event.value for event in read.Scalars(tag)] for tag in tags["scalars"]},
    )


def of_mlflow(path: Path) -> Found:
    pytest.importorskip("mlflow", reason="make test-recorders installs it")
    from mlflow import MlflowClient

    client = MlflowClient()
    (run,) = client.search_runs(
        [each.experiment_id for each in client.search_experiments()],
        f"tags.`optrun.run` = '{read_manifest(path)['id']}'",
    )
    names = [name for name in run.data.metrics if not name.startswith(("best_", "test_"))]
    history = {name: sorted(client.get_metric_history(run.info.run_id, name), key=lambda m: m.step) for name in names}
    ends = {"FINISHED": "completed", "FAILED": "diverged"}
    return Found(
        title=run.info.run_name,
        status=ends.get(run.info.status, ""),
        settings=dict(run.data.params),
        outcome={k: v for k, v in run.data.metrics.items() if k not in names},
        epochs=[metric.step for metric in history.get("epoch", [])],
        columns={name: [metric.value for metric in history[name]] for name in names},
    )


def of_wandb(path: Path) -> Found:
    pytest.importorskip("wandb", reason="make test-recorders installs it")
    (file,) = path.glob("wandb/offline-run-*/*.wandb")
    rows, settings, title, summary = [], {}, "", {}
    code = None
    for record in settled(path, file):
        match record.WhichOneof("record_type"):
            case "run":
                title = record.run.display_name
                settings = {item.key: json.loads(item.value_json) for item in record.run.config.update}
            case "history":
                rows.append({"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item})
            case "summary":
                summary |= {item.key: json.loads(item.value_json) for item in record.summary.update}
            case "exit":
                code = record.exit.exit_code
    names = [name for name in (rows[0] if rows else {}) if not name.startswith("_")]
    return Found(
        title=title,
        status={None: "", 0: "completed", 1: "diverged" if summary.get("status") == "diverged" else ""}[code],
        settings={key: str(value) for key, value in settings.items() if key != "_wandb"},
        outcome={k: v for k, v in summary.items() if k.startswith(("best_", "test_"))},
        epochs=[int(row["_step"]) for row in rows],
        columns={name: [float(row[name]) for row in rows] for name in names},
    )


def settled(path: Path, file: Path) -> list[Any]:
    """The records of an offline run, of one that has ended to their end: its process writes some moments later."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = list(messages(file.read_bytes()))
        ended = any(record.WhichOneof("record_type") == "exit" for record in found)
        if ended or read_status(path)["status"] not in ENDED or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def messages(data: bytes) -> Iterator[Any]:
    """The records of an offline run, which lie in a log as LevelDB has it, behind seven bytes of their own."""
    from wandb.proto.wandb_internal_pb2 import Record

    assert data.startswith(START)
    at, whole = HEADER, b""
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + HEADER])
        whole += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


READERS: dict[str, Callable[[Path], Found]] = {"tensorboard": of_tensorboard, "mlflow": of_mlflow, "wandb": of_wandb}
