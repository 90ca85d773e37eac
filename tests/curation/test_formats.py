"""A report reads the same to a person, to a program, to GitHub, to a code scanner and in a browser."""

import base64
import io
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curation import Finding, Report, Skipped
from curation.checks import RULES
from curation.formats import Format, render
from curation.formats.text import statistics_text, verdict_line
from curation.report import Region, Suppressed, Suppression

BLURRED = Finding("IMG002", "blurred", "warning", ("a.jpg",), 41.5, 60.0, "Nothing is sharp.", "use another")
COPIES = Finding("DUP001", "exact-duplicate", "error", ("a.jpg", "b,c:50%.jpg"), 2, 1, "The same photo.", "keep a.jpg")
WHOLE = Finding("SET002", "too-few-photos", "info", (), 3, 10, "Photos that can be used: 3.", "add photos")
EVIL = Finding(
    "CAP003", "identical-captions", "info", ("\x1b[2J[red]\u202e.jpg",), None, None, "it\n\x1b[31mred", "look"
)
OLD = Suppression("IMG001", {"old.jpg": "00"}, "a scan", "2026-01-31")

# What may stand in names, captions and reasons: markup of every format, control characters, right-to-left, emoji.
WILD = st.text(
    st.sampled_from(
        [
            *"ab/<>&\"'%,:[]`\\|=;{}",
            "\x1b",
            "\n",
            "\r",
            "\x00",
            "\u202e",
            "\u200f",
            "\u2028",
            "א",
            "👩",
            "\u200d",
            "🚀",
            "\ud800",
        ]
    )
)


def report(*findings: Finding) -> Report:
    return Report("photos", 3, findings, (Skipped("FAC004", "no face pack"),))


def test_text_shows_findings_fixes_skipped_checks_what_to_do_and_the_verdict() -> None:
    assert render(report(BLURRED), "text").splitlines() == [
        "warning IMG002 blurred",
        "  a.jpg: Nothing is sharp.",
        "    fix: use another",
        "",
        "not checked",
        "  FAC004: no face pack",
        "",
        "do first",
        "  1. Use another: a.jpg (blurred).",
        "",
        "Needs attention: 3 photos, 0 errors, 1 warning, 0 info.",
    ]


def test_the_verdict_tells_how_many_are_judged_left_out_and_suppressed() -> None:
    counted = Report("photos", 5, (), (), excluded=2, suppressed=(Suppressed(BLURRED, "fog"),))
    assert verdict_line(counted) == (
        "Ready: 3 photos judged and 2 left out, 0 errors, 0 warnings, 0 info, 1 suppressed."
    )


@pytest.mark.parametrize("format", get_args(Format))
def test_every_format_tells_of_suppressions_that_match_nothing(format: Format) -> None:
    written = render(Report("photos", 3, (), (), unused_suppressions=(OLD,)), format)
    assert "IMG001" in written and "a scan" in written and "2026-01-31" in written


def test_statistics_are_a_table_and_the_verdict() -> None:
    assert statistics_text(report(COPIES, BLURRED, BLURRED)).splitlines() == [
        "                                  findings  photos  suppressed",
        "error    DUP001  exact-duplicate         1       2           0",
        "warning  IMG002  blurred                 2       1           0",
        "Blocked: 3 photos, 1 error, 2 warnings, 0 info.",
    ]


def test_concise_has_one_line_for_each_finding() -> None:
    assert render(report(COPIES, WHOLE), "concise").splitlines() == [
        "a.jpg, b,c:50%.jpg: DUP001 error The same photo.",
        "the whole set: SET002 info Photos that can be used: 3.",
        "not checked: FAC004: no face pack",
        "Blocked: 3 photos, 1 error, 0 warnings, 1 info.",
    ]


def test_json_has_exactly_the_promised_fields() -> None:
    region = Region("a.jpg", "face", 0.25, 0.5, 0.125, 0.25)
    blurred = Finding(*[getattr(BLURRED, name) for name in BLURRED.__match_args__[:-1]], regions=(region,))
    full = Report("photos", 3, (blurred,), (), 1, (Suppressed(WHOLE, "few is fine"),), (OLD,))
    assert json.loads(render(full, "json")) == {
        "version": 1,
        "dataset": "photos",
        "photos": 3,
        "excluded": 1,
        "verdict": "attention",
        "actions": [{"text": "Use another: a.jpg (blurred).", "codes": ["IMG002"], "photos": ["a.jpg"]}],
        "findings": [
            {
                "code": "IMG002",
                "rule": "blurred",
                "severity": "warning",
                "photos": ["a.jpg"],
                "value": 41.5,
                "threshold": 60.0,
                "message": "Nothing is sharp.",
                "fix": "use another",
                "regions": [
                    {"photo": "a.jpg", "label": "face", "left": 0.25, "top": 0.5, "width": 0.125, "height": 0.25}
                ],
            }
        ],
        "skipped": [],
        "suppressed": [
            {
                "code": "SET002",
                "rule": "too-few-photos",
                "severity": "info",
                "photos": [],
                "value": 3,
                "threshold": 10,
                "message": "Photos that can be used: 3.",
                "fix": "add photos",
                "regions": [],
                "reason": "few is fine",
            }
        ],
        "unused_suppressions": [{"code": "IMG001", "photos": ["old.jpg"], "reason": "a scan", "date": "2026-01-31"}],
        "statistics": [
            {"code": "IMG002", "rule": "blurred", "severity": "warning", "findings": 1, "photos": 1, "suppressed": 0},
            {
                "code": "SET002",
                "rule": "too-few-photos",
                "severity": "info",
                "findings": 0,
                "photos": 0,
                "suppressed": 1,
            },
        ],
    }


def test_github_annotates_the_first_photo_and_escapes_what_its_commands_are_made_of() -> None:
    second = Finding(
        "DUP001", "exact-duplicate", "error", ("b,c:50%.jpg",), 2, 1, "100% the same: yes, it is.", "keep it"
    )
    assert render(report(second, BLURRED, WHOLE), "github").splitlines() == [
        "::error file=photos/b%2Cc%3A50%25.jpg,title=DUP001 exact-duplicate"
        "::b,c:50%25.jpg: 100%25 the same: yes, it is.%0ATo do: keep it",
        "::warning file=photos/a.jpg,title=IMG002 blurred::a.jpg: Nothing is sharp.%0ATo do: use another",
        "::notice title=SET002 too-few-photos::the whole set: Photos that can be used: 3.%0ATo do: add photos",
        "::notice title=not checked::FAC004: no face pack",
        "Blocked: 3 photos, 1 error, 1 warning, 1 info.",
    ]


@pytest.mark.parametrize("dataset", ["photos", "/data/my photos"])
def test_sarif_has_what_the_specification_requires(dataset: str) -> None:
    full = Report(
        dataset, 3, (COPIES, BLURRED, WHOLE), (Skipped("FAC004", "no pack"),), 0, (Suppressed(EVIL, "ok"),), (OLD,)
    )
    log = json.loads(render(full, "sarif"))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "loratui"
    assert {rule["id"] for rule in rules} == set(RULES)
    for rule in rules:
        assert rule["help"]["text"] and rule["shortDescription"]["text"] and rule["fullDescription"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
    assert [result["level"] for result in run["results"]] == ["error", "warning", "note", "note"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"] and result["locations"]
        for location in [*result["locations"], *result.get("relatedLocations", ())]:
            artifact = location["physicalLocation"]["artifactLocation"]
            assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", artifact["uri"])  # RFC 3986, relative
            assert not artifact["uri"].startswith("/")
            assert artifact["uriBaseId"] in {"%SRCROOT%", *run.get("originalUriBaseIds", ())}
    assert run["results"][-1]["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "ok"}]
    assert all("suppressions" not in result for result in run["results"][:-1])
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    texts = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert "no pack" in texts[0] and "matches nothing any more" in texts[-1]


def test_sarif_names_photos_below_the_folder_where_lint_was_called_or_below_an_absolute_one() -> None:
    def of(dataset: str) -> tuple[str, dict]:
        run = json.loads(render(Report(dataset, 2, (COPIES,), ()), "sarif"))["runs"][0]
        (related,) = run["results"][0]["relatedLocations"]
        return unquote(related["physicalLocation"]["artifactLocation"]["uri"]), run.get("originalUriBaseIds", {})

    assert of("my photos") == ("my photos/b,c:50%.jpg", {})
    assert of("/data/my photos") == ("b,c:50%.jpg", {"PHOTOS": {"uri": "file:///data/my%20photos/"}})


@dataclass
class Page(HTMLParser):
    """What a browser would see: elements with attributes, texts, and what is not closed."""

    page: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def classes(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for _, attrs in self.elements if name in (attrs.get("class") or "").split()]


@pytest.fixture
def located(folder: Path, sample) -> Path:
    """Two photos, the first with a GPS position in its EXIF."""
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    exif[0x010E] = "SECRET PLACE"
    sample("rocket").save(folder / "a.jpg", exif=exif)
    sample("cat").save(folder / "b.jpg")
    return folder


def test_html_is_one_page_without_network_scripts_or_the_photos_metadata(located: Path) -> None:
    assert b"SECRET" in (located / "a.jpg").read_bytes()
    region = Region("a.jpg", "subject's <face>", 0.25, 0.5, 0.125, 0.2)
    first = Finding("IMG002", "blurred", "warning", ("a.jpg",), None, None, "Soft.", None, (region,))
    again = Finding(
        "SET001", "repeated-background", "warning", ("a.jpg", "b.jpg", "gone.jpg"), None, None, "One.", None
    )
    seen = []
    html = render(Report(str(located), 3, (first, again), ()), "html", lambda done, total: seen.append((done, total)))
    page = Page(html)

    assert page.open == []
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object"}
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"url\(data:image/jpeg;base64,[\w+/=]+\)", "", html))
    assert "prefers-color-scheme: dark" in html and "color-scheme: light dark" in html
    assert seen[-1] == (3, 3)

    pictures = re.findall(r"url\(data:image/jpeg;base64,([^)]+)\)", html)
    assert len(pictures) == 2 and len(page.classes("p")) == 3 and len(page.classes("none")) == 1
    for picture in pictures:
        content = base64.b64decode(picture)
        with Image.open(io.BytesIO(content)) as image:
            assert max(image.size) == 256
            assert not image.getexif()
        assert b"SECRET" not in content
    (box,) = page.classes("box")
    assert box["style"] == "left:25.00%;top:50.00%;width:12.50%;height:20.00%"
    assert "subject's <face>" in page.texts


def test_html_shows_the_worst_first_each_photo_in_its_place_and_what_to_do_on_top(located: Path) -> None:
    copies = Finding("DUP001", "exact-duplicate", "error", ("a.jpg", "b.jpg"), 2, 1, "Twice.", "keep a.jpg")
    blurred = Finding("IMG002", "blurred", "warning", ("b.jpg",), 1, 2, "Soft.", "use a sharper photo")
    unused = Report(str(located), 2, (copies, blurred), (Skipped("FAC004", "no pack"),), unused_suppressions=(OLD,))
    texts = " ".join(Page(render(unused, "html")).texts)
    order = ["Blocked: 2 photos", "Do first", "Leave out b.jpg", "DUP001", "IMG002", "no pack", "a scan"]
    places = [texts.index(words) for words in order]
    assert places == sorted(places)


def test_html_sets_off_the_thresholds_that_an_explanation_names(located: Path) -> None:
    blurred = Finding("IMG002", "blurred", "warning", ("b.jpg",), 1, 2, "Soft.", None)
    html = render(Report(str(located), 2, (blurred,), ()), "html")
    assert "<code>blurred_below</code>" in html and "`" not in html


def test_html_of_a_large_set_has_pictures_of_the_worst_only(located: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.formats.html.MOST_PICTURES", 1)
    copies = Finding("DUP001", "exact-duplicate", "error", ("a.jpg", "b.jpg"), 2, 1, "Twice.", None)
    page = Page(render(Report(str(located), 2, (copies,), ()), "html"))
    assert len(page.classes("p")) == 1 and len(page.classes("none")) == 1
    assert any("first 1 of 2 photos" in text for text in page.texts)


@pytest.mark.parametrize("format", get_args(Format))
@given(name=WILD, message=WILD, reason=WILD)
def test_text_from_outside_cannot_steer_a_terminal_break_a_line_or_become_markup(
    format: Format, name: str, message: str, reason: str
) -> None:
    name, message, reason = f"a{name}", f"m{message}", f"r{reason}"
    wild = Finding("CAP003", "identical-captions", "info", (name,), message, None, message, message)
    suppressed = (Suppressed(wild, reason),)
    unused = (Suppression("CAP003", {name: "00"}, reason, reason),)
    whole = Report("nowhere", 3, (wild, BLURRED), (Skipped("FAC004", reason),), 0, suppressed, unused)
    plain = Report("nowhere", 3, (EVIL, BLURRED), (Skipped("FAC004", "x"),), 0, (Suppressed(EVIL, "x"),), (OLD,))
    written = render(whole, format)

    assert written.encode("utf-8")  # a lone surrogate could not be printed
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200f\u2028\u202e]", written)
    if format in {"json", "sarif"}:
        json.loads(written)
    else:
        assert written.count("\n") == render(plain, format).count("\n")
    if format == "html":
        tags = [[tag for tag, _ in Page(page).elements] for page in (written, render(plain, format))]
        assert tags[0] == tags[1]
    if format == "github":
        assert all(
            re.match(r"::(notice|warning) (file=[^:,]*,)?title=[^:,]*::|Needs", line) for line in written.split("\n")
        )


def test_json_and_sarif_keep_names_as_they_are() -> None:
    for format in ("json", "sarif"):
        assert EVIL.photos[0] in json.dumps(json.loads(render(report(EVIL), format)), ensure_ascii=False).replace(
            "\\u001b", "\x1b"
        )
