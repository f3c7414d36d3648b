"""The page of `optrun report` in a headless Chromium, used with mouse and keyboard as a person does.

Skipped where there is none; `make test-page` says so, and leaves screenshots in the folder OPTRUN_PAGE.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner import cli
from runner.report import runs
from runner.report.folders import report
from runner.store.base import Row
from runner.store.folder import read_rows
from tests.report.browser import PROGRAM, Page, browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium on this machine")
DESKTOP, PHONE = (1280, 900), (390, 844)  # pixels

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def opened(chromium: Page, house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """`opened("adam", ...)` makes the page of some folders and opens it."""
    monkeypatch.chdir(house)

    def call(*folders: str, size: tuple[int, int] = DESKTOP) -> Page:
        monkeypatch.setattr("sys.argv", ["optrun", "report", *folders])
        assert cli.main(["report", *folders, f"out={tmp_path / 'page.html'}"]) == 0
        chromium.size(*size)
        chromium.open(tmp_path / "page.html")
        return chromium

    return call


def seen(page: Page, name: str) -> None:
    """Leave a screenshot for people."""
    if folder := os.environ.get("OPTRUN_PAGE"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.picture(Path(folder) / f"{name}.png")


def column(page: Page, index: int) -> list[str]:
    """The texts of a column of the first table that can be sorted."""
    rows = "[...document.querySelector('table[data-sortable]').tBodies[0].rows]"
    texts: list[str] = page.js(f"{rows}.map((row) => row.cells[{index}].textContent)")
    return texts


def directions(page: Page) -> list[str | None]:
    """How the headers of that table say it is sorted."""
    said: list[str | None] = page.js(
        "[...document.querySelectorAll('table[data-sortable]')[0].tHead.rows[0].cells]"
        ".map((header) => header.getAttribute('aria-sort'))"
    )
    return said


def drawn(page: Page) -> int:
    """How many curves are drawn."""
    number: int = page.js("document.querySelectorAll('#plot path:not(.axis):not(.lost)').length")
    return number


def readout(page: Page) -> str:
    text: str = page.js("document.getElementById('readout').textContent")
    return text


def six(row: Row) -> float:
    """The validation loss in six digits, as the chart spells it."""
    return float(f"{row['val_loss']:.6g}")


@pytest.mark.parametrize(("name", "size"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_the_page_opens_without_a_network_and_without_an_error(
    name: str, size: tuple[int, int], opened: Opened
) -> None:
    page = opened("adam", "high", "grid", size=size)
    methods = [event["method"] for event in page.events]
    assert not {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"} & {*methods}
    asked = [
        event["params"]["request"]["url"] for event in page.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url.split(":")[0] for url in asked][:1] == ["file"]
    assert {url.split(":")[0] for url in asked[1:]} <= {"data"}
    assert page.js("document.documentElement.scrollWidth") == size[0]  # nothing sticks out at the side
    seen(page, name)


def test_what_the_page_does_not_allow_is_stopped_by_the_browser(opened: Opened) -> None:
    page = opened("adam")
    page.js(
        "window.refused = []; document.addEventListener("
        "'securitypolicyviolation', (event) => window.refused.push(event.effectiveDirective))"
    )
    assert page.js("fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.name)") == "TypeError"
    page.js("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned = 1\">')")
    page.js(
        "(() => { const made = document.createElement('script'); made.textContent = 'window.pwned = 1';"
        "document.body.append(made); })()"
    )
    told = page.js(  # the browser tells them one after the other
        "new Promise((done) => (function look() {"
        " window.refused.length < 3 ? setTimeout(look, 10) : done(window.refused); })())"
    )
    assert {"connect-src", "script-src-elem"} < {*told}
    assert page.js("window.pwned") is None


def test_a_header_sorts_by_numbers_up_and_down_and_what_has_none_comes_last(opened: Opened) -> None:
    page = opened("high", "adam", "grid/5")
    head: list[str] = page.js("[...document.querySelectorAll('table[data-sortable] th')].map((h) => h.textContent)")
    loss = head.index("best_val_loss")
    first = column(page, loss)
    assert (first[0], directions(page)) == ("", [None] * len(head))
    button = f"table[data-sortable] th:nth-child({loss + 1}) button"
    page.click(button)
    up = column(page, loss)
    assert up[:2] == sorted(filter(None, first), key=float)
    assert up[2] == ""
    assert directions(page)[loss] == "ascending"
    page.click(button)
    assert column(page, loss) == [*reversed(up[:2]), ""]
    assert [each for each in directions(page) if each] == ["descending"]


def test_ties_stay_in_their_order_and_infinity_is_a_number(opened: Opened) -> None:
    page = opened("grid")
    page.js(
        "(() => { const [...rows] = document.querySelector('table[data-sortable]').tBodies[0].rows;"
        "['2', 'NaN', '-Infinity', '10', '2', 'Infinity', '1e-5'].forEach((n, k) =>"
        " { rows[k].cells[1].dataset.number = n; rows[k].cells[1].textContent = `${n} of row ${k}`; });"
        "rows.slice(7).forEach((row) => row.remove()); })()"
    )
    page.click("table[data-sortable] th:nth-child(2) button")
    order = ["-Infinity of row 2", "1e-5 of row 6", "2 of row 0", "2 of row 4", "10 of row 3", "Infinity of row 5"]
    assert column(page, 1) == [*order, "NaN of row 1"]
    page.click("table[data-sortable] th:nth-child(2) button")
    down = ["Infinity of row 5", "10 of row 3", "2 of row 0", "2 of row 4", "1e-5 of row 6", "-Infinity of row 2"]
    assert column(page, 1) == [*down, "NaN of row 1"]


def test_a_curve_is_switched_off_and_on_and_all_of_them_at_once(opened: Opened) -> None:
    page = opened("grid")
    pressed = "document.querySelector('#legend button').getAttribute('aria-pressed')"
    assert (drawn(page), page.js(pressed)) == (8, "true")
    page.click("#legend button")
    assert (drawn(page), page.js(pressed)) == (7, "false")
    page.click("#legend button")
    assert drawn(page) == 8
    page.click("#none")
    assert drawn(page) == 0
    assert "nothing to show" in page.js("document.getElementById('plot').textContent")
    page.click("#few")
    assert drawn(page) == 8
    page.click("#beside")  # the training part of each
    assert drawn(page) == 16


def test_another_quantity_over_another_axis_on_another_scale(opened: Opened) -> None:
    page = opened("adam")
    names: list[str] = page.js("[...document.getElementById('quantity').options].map((o) => o.text)")
    assert names == ["loss", "accuracy", "grad_norm", "lr"]
    texts = "document.getElementById('plot').textContent"
    before = page.js(texts)
    page.js(
        "(() => { const axis = document.getElementById('axis'); axis.value = 'step';"
        "axis.dispatchEvent(new Event('change')); })()"
    )
    page.frame()
    assert page.js(texts) != before
    assert "step" in page.js(texts)
    on = page.js("document.getElementById('log-y').getAttribute('aria-pressed')")
    curve = "document.querySelector('#plot path:not(.axis)').getAttribute('d')"
    before = page.js(curve)
    page.click("#log-y")
    assert page.js("document.getElementById('log-y').getAttribute('aria-pressed')") != on
    assert page.js(curve) != before


def test_the_pointer_reads_the_nearest_point(opened: Opened, house: Path) -> None:
    page = opened("adam")
    rows = read_rows(house / "adam" / "metrics.csv")
    page.js("document.getElementById('plot').scrollIntoView()")
    page.frame()
    d, left, top = page.js(
        "(() => { const r = document.getElementById('plot').getBoundingClientRect();"
        "return [document.querySelector('#plot path:not(.axis)').getAttribute('d'), r.x, r.y]; })()"
    )
    points = [tuple(map(float, each.split(","))) for each in d[1:].split("L")]
    assert len(points) == len(rows)
    page.point(left + points[2][0] + 3, top + points[2][1] - 3)
    assert readout(page) == f"adam: validation loss {six(rows[2])} at epoch 3"
    seen(page, "hover")


def test_the_chart_the_legend_and_the_tables_are_worked_by_keyboard(opened: Opened, house: Path) -> None:
    page = opened("adam", "grid")
    reached = set()
    for _ in range(60):
        page.press("Tab")
        reached.add(page.js("document.activeElement.id || document.activeElement.closest('[id]')?.id"))
    assert {"quantity", "axis", "log-y", "log-x", "beside", "plot", "all", "none", "few", "legend"} <= reached
    page.js("document.getElementById('plot').focus()")
    for key in ("ArrowRight", "ArrowRight"):
        page.press(key)
    rows = read_rows(house / "adam" / "metrics.csv")
    assert readout(page) == f"adam: validation loss {six(rows[1])} at epoch 2"
    page.press("End")
    assert readout(page).endswith("at epoch 5")
    page.press("ArrowDown")
    assert readout(page).startswith("grid: ")
    assert readout(page).endswith("at epoch 5")
    page.js("document.querySelector('#legend button').focus()")
    before = drawn(page)
    page.press(" ")
    assert drawn(page) == before - 1
    page.js("document.querySelector('table[data-sortable] th button').focus()")
    page.press("Enter")
    assert directions(page)[0] == "ascending"


def test_a_film_is_shown_when_it_is_asked_for_and_not_before(opened: Opened, ravine: Path) -> None:
    page = opened(str(ravine / "ravine"), size=PHONE)
    shown = "document.querySelector('details img').checkVisibility()"
    assert page.js(shown) is False
    page.js("document.querySelector('summary').focus()")
    page.press("Enter")
    assert page.js(shown) is True
    assert page.js("document.querySelector('details img').naturalWidth") == 1000
    assert page.js("document.documentElement.scrollWidth") == PHONE[0]
    seen(page, "film")


def test_of_a_share_the_chart_takes_no_logarithm_by_itself(chromium: Page, house: Path, tmp_path: Path) -> None:
    adam = runs.read(house / "adam", "adam")
    rows = [row | {"val_accuracy": 0.05 + 0.2 * k, "val_loss": 0.1**k} for k, row in enumerate(adam.rows)]
    (tmp_path / "page.html").write_text(report([replace(adam, rows=rows)], [], [], "", lambda run: run))
    chromium.open(tmp_path / "page.html")
    pressed = "document.getElementById('log-y').getAttribute('aria-pressed')"
    assert chromium.js(pressed) == "true"
    chromium.js("document.getElementById('quantity').value = 'val_accuracy'")
    chromium.js("document.getElementById('quantity').dispatchEvent(new Event('change'))")
    assert chromium.js(pressed) == "false"
