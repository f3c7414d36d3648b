"""The page of the lectures: what is on it, and what can do nobody harm."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from runner.core.errors import CorruptError
from runner.report.base import picture
from runner.report.lectures import Claim, Deck, gallery, tried

HOSTILE = (
    '</title><script src="https://evil.example/x.js"></script><img src=http://evil.example/x onerror=alert(1)> & "'
)
VOID = {"meta", "img", "br"}
TOLD: dict[str, Any] = {
    "place": "p. 1",
    "claim": "a is twice b",
    "right": "",
    "as_printed": "",
    "verdict": "holds",
    "what": "a over b",
    "predicted": 2.0,
    "because": "so it is",
    "seeds": 3,
    "command": "optrun +experiment=mine/twice",
    "measured": {
        "here": {"title": "the experiment", "control": False, "value": 2.01, "low": 1.9, "high": 2.1, "within": True},
        "off": {"title": "without", "control": True, "value": "inf", "low": "inf", "high": "inf", "within": False},
    },
}


class Page(HTMLParser):
    """A page as it is parsed: tags with their attributes, the text, and whether what opens closes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def folder(path: Path, **changes: Any) -> Path:
    """The folder of an experiment that was run."""
    path.mkdir(exist_ok=True)
    (path / "verdict.json").write_text(json.dumps(TOLD | changes))
    (path / "claim.svg").write_text("<svg/>")
    return path


def page(path: Path, **changes: Any) -> str:
    claims = (Claim("mine/twice", "see it", tried(folder(path, **changes))), Claim("mine/open", "wait for it", None))
    return gallery([Deck("mine", "My Lecture", claims)])


def test_every_tag_of_the_page_is_closed_and_every_claim_is_on_it(tmp_path: Path) -> None:
    seen = Page(page(tmp_path))
    assert seen.open == []
    assert [given["id"] for tag, given in seen.tags if tag == "article"] == ["mine/twice", "mine/open"]
    for said in ("a is twice b", "p. 1", "so it is", "1.9 to 2.1", "optrun +experiment=mine/twice", "never"):
        assert said in seen.text
    assert "optrun lectures run mine/open" in seen.text
    assert "2 claims of four lectures on optimization as experiments, 1 of them run here" in seen.text


def test_every_link_leads_to_a_place_on_the_page(tmp_path: Path) -> None:
    seen = Page(page(tmp_path))
    places = {given["id"] for _, given in seen.tags if "id" in given}
    links = [str(given["href"]) for tag, given in seen.tags if tag == "a"]
    assert links
    assert {link.removeprefix("#") for link in links} <= places


def test_every_picture_has_a_text_and_every_table_is_reached_by_keyboard(tmp_path: Path) -> None:
    seen = Page(page(tmp_path))
    (alt,) = [given["alt"] for tag, given in seen.tags if tag == "img"]
    assert alt == "Slide of mine/twice: a over b, measured 2.01 beside 2 predicted; holds"
    regions = [given for _, given in seen.tags if given.get("role") == "region"]
    assert len(regions) == sum(tag == "table" for tag, _ in seen.tags) == 2
    assert all(given["tabindex"] == "0" and given["aria-label"] for given in regions)


def test_a_hostile_text_is_shown_as_it_was_typed_and_nothing_is_loaded(tmp_path: Path) -> None:
    texts = ("place", "claim", "right", "as_printed", "verdict", "what", "because", "command")
    text = page(tmp_path, **dict.fromkeys(texts, HOSTILE))
    seen = Page(text)
    assert seen.open == []
    assert not any(tag == "script" for tag, _ in seen.tags)
    assert not any(name.startswith("on") for _, given in seen.tags for name in given)
    loaded = [str(given[name]) for _, given in seen.tags for name in ("src", "href") if name in given]
    assert all(address.startswith(("#", "data:image/svg+xml;base64,")) for address in loaded)
    assert seen.text.count(HOSTILE) >= len(texts)
    assert "url(" not in text
    assert "@import" not in text


def test_its_own_policy_lets_a_browser_load_nothing(tmp_path: Path) -> None:
    (policy,) = [given["content"] for _, given in Page(page(tmp_path)).tags if "http-equiv" in given]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_equal_folders_give_equal_bytes(tmp_path: Path) -> None:
    assert page(tmp_path / "one") == page(tmp_path / "two")


@pytest.mark.parametrize(
    ("verdict", "badge"),
    [
        ("holds", "✓ holds"),
        ("holds under small", "◐ holds under small"),
        ("does not hold here", "✗ does not hold here"),
        (
            "does not hold here: it is so without the cause too (off)",
            "✗ does not hold here: it is so without the cause",
        ),
    ],
)
def test_a_verdict_is_told_apart_without_colours(verdict: str, badge: str, tmp_path: Path) -> None:
    assert badge in Page(page(tmp_path, verdict=verdict)).text


def test_where_the_lecture_errs_the_page_says_so_beside_the_right_statement(tmp_path: Path) -> None:
    seen = Page(page(tmp_path, as_printed="does not hold here, it would be 4", right="a is half of b"))
    assert "As printed: does not hold here, it would be 4." in seen.text
    assert seen.text.count("Right: a is half of b") == 2
    assert seen.text.count("✗ as printed") == 2


def test_what_holds_as_it_is_printed_is_not_called_wrong(tmp_path: Path) -> None:
    seen = Page(page(tmp_path, as_printed="holds, it would be 2", right="a is near twice b"))
    assert "As printed: holds, it would be 2." in seen.text
    assert "More exactly: a is near twice b" in seen.text
    assert "✗ as printed" not in seen.text


def test_the_results_show_a_case_in_which_the_claim_holds(tmp_path: Path) -> None:
    fails = {"title": "large", "control": False, "value": 9.0, "low": 9.0, "high": 9.0, "within": False}
    seen = tried(folder(tmp_path, measured={"large": fails} | TOLD["measured"]))
    assert seen.first.title == "the experiment"
    assert tried(folder(tmp_path, measured={"large": fails})).first.title == "large"


def test_a_picture_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert picture(tmp_path / "claim.svg") == ""
    told = folder(tmp_path)
    (told / "claim.svg").unlink()
    assert "<img" not in gallery([Deck("mine", "My Lecture", (Claim("mine/twice", "see it", tried(told)),))])


@pytest.mark.parametrize(
    "change", [{"predicted": "much"}, {"measured": {"here": {"value": 1.0}}}, {"measured": 3}, {"measured": {}}]
)
def test_a_verdict_that_says_too_little_is_refused_with_the_way_to_make_it_anew(
    change: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(CorruptError) as refused:
        tried(folder(tmp_path, **change))
    assert str(refused.value).startswith(f"{tmp_path / 'verdict.json'} is no verdict of this optrun: ")
    assert str(refused.value).endswith(f"; `optrun plot {tmp_path}` makes it anew")
