"""The report as one page for a browser: self-contained, with a small picture of every photo that a finding names.

No script, no network, nothing of a photo's metadata: the pictures are made anew from its pixels.
"""

import base64
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path

from curation.checks import RULES
from curation.formats.text import photos, skipped_lines, unused_lines, verdict_line
from curation.parallel import in_parallel
from curation.photo import Undecodable, decode
from curation.regular import read_regular
from curation.report import VERDICT_WORDS, Finding, Region, Report, Suppressed
from curation.text import visible
from curation.verdict import actions

SIDE = 256
"""Pixels of a picture's longer side: some 12 kB each."""

MOST_PICTURES = 1000
"""The page stays under 20 MB, which browsers take; the worst findings come first, so they have theirs."""


@dataclass(frozen=True)
class Picture:
    """A small JPEG of a photo. width, height: in pixels."""

    jpeg: bytes
    width: int
    height: int


def to_html(report: Report, on_progress: Callable[[int, int], None] = lambda done, total: None) -> str:
    """One HTML page: verdict, actions, then the findings by rule, worst first, with boxes around their regions.

    on_progress: told (done, total) pictures made.
    """
    names = list(dict.fromkeys(name for finding in report.findings for name in finding.photos))
    shown = names[:MOST_PICTURES]
    pictures = _pictures(Path(report.dataset), shown, on_progress)
    numbers = {name: number for number, name in enumerate(pictures)}
    style = (resources.files("curation.formats") / "html.css").read_text("utf-8")
    pixels = "".join(_picture_rule(numbers[name], picture) for name, picture in pictures.items())
    left = f"Pictures of the first {MOST_PICTURES} of {len(names)} photos." if len(names) > len(shown) else ""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
            'img-src data:">',
            f"<title>{VERDICT_WORDS[report.verdict]}: {_text(Path(report.dataset).name)}</title>",
            f"<style>{style}{pixels}</style>",
            *_head(report),
            *(f'<p class="note">{left}</p>' for _ in [left] if left),
            *_sections(report, numbers),
            *_list("Not checked", skipped_lines(report.skipped)),
            *_list("Suppressed", [_suppressed_line(one) for one in report.suppressed]),
            *_list("Unused suppressions", unused_lines(report)),
            "</html>",
        ]
    )


def _head(report: Report) -> Iterator[str]:
    yield f'<header class="{report.verdict}">'
    yield f"<h1>{_text(verdict_line(report))}</h1>"
    yield f"<p>{_name(report.dataset)}</p>"
    if todo := actions(report):
        yield "<h2>Do first</h2>"
        yield f"<ol>{''.join(f'<li>{_text(action.text)}</li>' for action in todo)}</ol>"
    yield "</header>"


def _sections(report: Report, numbers: Mapping[str, int]) -> Iterator[str]:
    """A section for each rule at each severity."""
    for (severity, code), group in groupby(report.findings, lambda finding: (finding.severity, finding.code)):
        findings = list(group)
        yield f'<section class="{severity}">'
        yield f"<h2><b>{severity}</b> {code} {findings[0].rule}</h2>"
        yield f"<details><summary>Why it matters</summary><p>{_explanation(code)}</p></details>"
        for finding in findings:
            yield from _article(finding, numbers)
        yield "</section>"


def _explanation(code: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(RULES[code].explanation))


def _article(finding: Finding, numbers: Mapping[str, int]) -> Iterator[str]:
    todo = f" <i>To do: {_text(finding.fix)}.</i>" if finding.fix else ""
    narrow = ' class="one"' if len(finding.photos) == 1 else ""
    yield f"<article{narrow}><p>{_text(finding.message)}{todo}</p>"
    for name in finding.photos:
        regions = [region for region in finding.regions if region.photo == name]
        yield f"<figure>{_image(name, numbers, regions)}<figcaption>{_name(name)}</figcaption></figure>"
    yield "</article>"


def _image(name: str, numbers: Mapping[str, int], regions: Sequence[Region]) -> str:
    if name not in numbers:
        return '<div class="none">no picture</div>'
    boxes = "".join(map(_box, regions))
    return f'<div class="p p{numbers[name]}" role="img" aria-label="{_text(name)}">{boxes}</div>'


def _box(region: Region) -> str:
    sides = {"left": region.left, "top": region.top, "width": region.width, "height": region.height}
    place = ";".join(f"{side}:{100 * fraction:.2f}%" for side, fraction in sides.items())
    return f'<div class="box" style="{place}"><span>{_text(region.label)}</span></div>'


def _picture_rule(number: int, picture: Picture) -> str:
    """A style rule, so that a photo that many findings name is in the page once."""
    data = base64.b64encode(picture.jpeg).decode("ascii")
    size = f"width:{picture.width}px;height:{picture.height}px"
    return f".p{number}{{{size};background-image:url(data:image/jpeg;base64,{data})}}\n"


def _list(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    return [f"<section><h2>{title}</h2><ul>{''.join(f'<li>{_text(line)}</li>' for line in lines)}</ul></section>"]


def _suppressed_line(one: Suppressed) -> str:
    return f"{one.finding.code} {photos(one.finding.photos)}: {one.reason}"


def _name(name: str) -> str:
    """A name from outside, which may read from right to left without turning what stands beside it."""
    return f'<bdi dir="auto">{_text(name)}</bdi>'


def _text(text: str) -> str:
    return escape(visible(text))


def _pictures(root: Path, names: Sequence[str], on_progress: Callable[[int, int], None]) -> dict[str, Picture]:
    """Of those photos that can be decoded, in their order."""
    made: dict[str, Picture] = {}
    for number, (name, picture) in enumerate(in_parallel(lambda name: (name, _picture(root, name)), names), 1):
        if picture is not None:
            made[name] = picture
        on_progress(number, len(names))
    return {name: made[name] for name in names if name in made}


def _picture(root: Path, name: str) -> Picture | None:
    """None for what cannot be decoded, and for a name that leaves the folder: a row's may lead through a link."""
    try:
        if not (root / name).parent.resolve().is_relative_to(root.resolve()):
            return None
        image = decode(read_regular(root / name), least_side=SIDE).image
    except (OSError, ValueError, Undecodable):  # ValueError: a name with a zero byte, out of a metadata file
        return None
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return Picture(buffer.getvalue(), image.width, image.height)
