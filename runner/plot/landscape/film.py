"""A landscape in which the paths grow step by step, as an animated GIF.

The ground is drawn once and the paths on top of it in every frame: 120 whole figures would take twenty seconds, this
takes one. All frames have the colours of the last one, which has them all.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from runner.core.errors import DiskError
from runner.plot.base import QUIET, look
from runner.plot.landscape.contours import Drawn, Shown, figure

FRAMES = 120
DOTS = 100  # an inch: 1000 x 562 pixels
FRAME_MS, LAST_MS = 80, 2500
MOST = 2_000_000  # bytes; a film that takes more has half of the frames
COLOURS = 256


def draw(folder: Path, stem: str, shown: Shown) -> Path:
    """Draw `stem.gif`; raises `DiskError` if it cannot be written."""
    with look():
        frames = pictures(figure(shown), shown, moments(int(max(track.steps[-1] for track in shown.tracks))))
    data = encoded(frames)
    while len(data) > MOST and len(frames) > 2:
        frames = [*frames[:-1:2], frames[-1]]
        data = encoded(frames)
    path, fresh = folder / f"{stem}.gif", folder / f".{stem}.gif.{os.getpid()}.tmp"
    try:
        fresh.write_bytes(data)
        os.replace(fresh, path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise DiskError(f"{folder}: the picture {stem}.gif cannot be written: {error.strerror}") from None
    return path


def moments(last: int) -> list[int]:
    """The steps that have a frame: all, or ever fewer, since a path turns most where it begins.

    >>> moments(4), len(moments(100_000)), moments(100_000)[:3]
    ([0, 1, 2, 3, 4], 120, [0, 7, 28])
    """
    if last < FRAMES:
        return list(range(last + 1))
    shares = (np.arange(FRAMES) / (FRAMES - 1)) ** 2
    return sorted({round(share * last) for share in shares.tolist()})


def pictures(drawn: Drawn, shown: Shown, steps: list[int]) -> list[Image.Image]:
    """A picture for each of the steps, all with one palette."""
    canvas = FigureCanvasAgg(drawn.figure)
    drawn.figure.set_dpi(DOTS)
    clock = drawn.axes.text(
        0.015, 0.02, "", transform=drawn.axes.transAxes, size=10.5, color=QUIET, va="bottom", zorder=8
    )
    moving: list[Any] = [*chain.from_iterable(zip(*drawn.lines, strict=True)), *drawn.heads, drawn.start, clock]
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()  # type: ignore[no-untyped-call]
    ground = canvas.copy_from_bbox(drawn.figure.bbox)  # type: ignore[no-untyped-call]
    found = []
    for step in steps:
        for track, lines, head in zip(shown.tracks, drawn.lines, drawn.heads, strict=True):
            done = max(1, int(np.searchsorted(track.steps, step, side="right")))
            for line in lines:
                line.set_data(track.x[:done], track.y[:done])
            head.set_data(track.x[done - 1 : done], track.y[done - 1 : done])
        clock.set_text(f"step {step:,}")
        canvas.restore_region(ground)  # type: ignore[no-untyped-call]
        for artist in moving:
            drawn.axes.draw_artist(artist)
        seen = np.array(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        found.append(Image.fromarray(seen).convert("RGB"))
    palette = found[-1].quantize(COLOURS)
    return [reduced(each, palette) for each in found]


def reduced(picture: Image.Image, palette: Image.Image) -> Image.Image:
    """A picture in the colours of another one, white where it is white: Pillow's search is not exact, nor its paper."""
    found = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    colours = np.array(found.getpalette()).reshape(-1, 3)
    numbers = np.array(found)
    numbers[(np.array(picture) == 255).all(2)] = colours.sum(1).argmax()
    exact = Image.fromarray(numbers, "P")
    exact.putpalette(colours.ravel().tolist())
    return exact


def encoded(frames: list[Image.Image]) -> bytes:
    """The film: it runs for ever, and rests at its end."""
    data = io.BytesIO()
    lasting = [FRAME_MS] * (len(frames) - 1) + [LAST_MS]
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=lasting, loop=0, disposal=1)
    return data.getvalue()
