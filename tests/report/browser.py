"""A headless Chromium, driven by the DevTools protocol over two pipes: no port, no library, no network."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
HANGS_S = 60.0  # for one answer, which takes milliseconds on a quiet machine
COMMANDS, ANSWERS = 3, 4  # the descriptors that Chromium reads from and writes to
KEYS = {
    **{"Enter": 13, " ": 32, "Tab": 9, "End": 35, "Home": 36},
    **{"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40},
}


@dataclass
class Page:
    """A page in the browser.

    events  what it reported: requests, exceptions, messages of the console
    """

    write: int
    read: int
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    rest: bytes = b""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params} | (
            {"sessionId": self.session} if self.session else {}
        )
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.read], [], [], HANGS_S)
            assert ready, f"no answer within {HANGS_S:g} s"
            self.rest += os.read(self.read, 1 << 20)
        line, _, self.rest = self.rest.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        return told

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, path: Path) -> None:
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())
        self.frame()

    def frame(self) -> None:
        """Wait until what was asked for is drawn."""
        self.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.frame()

    def press(self, key: str) -> None:
        """A key, as a person presses it on whatever has the focus."""
        text = {"Enter": "\r", " ": " "}.get(key)
        about = {"key": key, "windowsVirtualKeyCode": KEYS[key]} | ({"text": text} if text else {})
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **about)
        self.frame()

    def point(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.frame()

    def click(self, selector: str) -> None:
        """The left button of the mouse, in the middle of the first element of a selector."""
        place = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)
        self.frame()

    def picture(self, path: Path) -> None:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(home: Path) -> Iterator[Page]:
    """A page in a browser of its own, which ends with it; its profile lies in `home`."""
    assert PROGRAM is not None
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    # Chromium's own sandbox refuses to start as root, as in a container.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    flags = [*("--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars")]
    flags.append("--host-resolver-rules=MAP * ~NOTFOUND")  # there is no network, whatever it wants
    words = [PROGRAM, *flags, *root, "--remote-debugging-pipe", f"--user-data-dir={home}", "about:blank"]
    # A shell puts the pipes where Chromium looks for them.
    script = f'exec "$@" {COMMANDS}<&{theirs_in} {ANSWERS}>&{theirs_out}'
    with open(home / "stderr", "wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", *words], pass_fds=(theirs_in, theirs_out), stdout=log, stderr=log
        )
    os.close(theirs_in)
    os.close(theirs_out)
    page = Page(ours_out, ours_in)
    try:
        target = next(t for t in page.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        page.session = page.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        yield page
    finally:
        os.close(ours_out)
        os.close(ours_in)
        process.terminate()
        process.wait(HANGS_S)
