"""The event file of a run: three records that say which run it is, one for each row, two that say how it ended.

It is written without the library's own thread: what was told is in the file, and a full disk is an error of the call
that met it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from runner.recorder.base import About, Log, Row

FOLDER = "tensorboard"
# TensorBoard reads what is called like this, in the order of the names; there is one, so its name needs no clock.
FILE = "events.out.tfevents.0000000000.optrun"
HEAD = 3  # records before the first row
AROUND = 16  # bytes of a record beside its data: the length of it, and two checksums
ENDS = {"completed": "STATUS_SUCCESS", "diverged": "STATUS_FAILURE"}


class EventFile(Log):
    """The open file. Nothing but a row may follow a row as long as there may be more of them: whoever watches the file
    while it grows would be lost if a resumed run cut off what he has read."""

    def __init__(self, about: About) -> None:
        folder = about.path / FOLDER
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise OSError(f"{folder} is a link: a run writes into its own folder alone")
        length, done = kept(folder / FILE, len(about.rows))
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        self._file = os.fdopen(descriptor, "r+b")
        self._records = RecordWriter(self._file)
        self._file.truncate(length)
        self._file.seek(length)
        if not done:
            self._write(file_version="brain.Event:2")
            self._write(summary=hparams_pb(dict(about.settings), trial_id=about.id))
            self._write(summary=text("run", f"{about.title}\n\n{as_code(about.settings)}"))
        self.rows(about.rows[done:])

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
            self._write(step=int(row["epoch"]), summary=Summary(value=values))
        self._file.flush()

    def end(self, summary: Mapping[str, Any]) -> None:
        if summary["status"] in ENDS:
            info = SessionEndInfo(status=Status.Value(ENDS[summary["status"]]), end_time_secs=time.time())
            about = hparams.create_summary_metadata(HParamsPluginData(session_end_info=info))
            self._write(summary=message(hparams.SESSION_END_INFO_TAG, about, hparams.NULL_TENSOR))
            self._write(summary=text("summary", as_code(summary)))
            self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, **content: Any) -> None:
        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())


def kept(path: Path, rows: int) -> tuple[int, int]:
    """(bytes, rows) of an event file that stay where a run has so many rows: it may hold more, and half a record.

    (0, 0) where none do.
    """
    if not path.is_file() or path.is_symlink():
        return 0, 0
    length = done = 0
    for number, data in enumerate(RawEventFileLoader(str(path)).Load()):
        if number >= HEAD:
            if done == rows or Event.FromString(data).step != done + 1:
                break
            done += 1
        length += AROUND + len(data)
    return (length, done) if done else (0, 0)


def text(tag: str, markdown: str) -> Summary:
    """A text for the tab TEXT."""
    words = TensorProto(dtype=DT_STRING, string_val=[markdown.encode()])
    return message(tag, create_summary_metadata(display_name="", description=""), words)


def message(tag: str, about: SummaryMetadata, content: TensorProto) -> Summary:
    """A summary with one value."""
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=content)])


def as_code(content: Mapping[str, Any]) -> str:
    """A mapping as a block of JSON in Markdown, one line a key."""
    return "".join(f"    {line}\n" for line in json.dumps(dict(content), indent=2, ensure_ascii=False).splitlines())
