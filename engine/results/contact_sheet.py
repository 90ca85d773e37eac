"""Many pictures on one sheet, each with its caption below."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from curation.text import visible

FONT_SIZE = 12
HEADING_SIZE = 16
MARGIN = 8
SMALLEST_CELL = 160


@dataclass(frozen=True)
class Row:
    """Pictures that stand side by side, at least one.  captions: one for each.  heading: said above them, or empty."""

    images: Sequence[Image.Image]
    captions: Sequence[str]
    heading: str = ""


def contact_sheet(rows: Sequence[Row]) -> Image.Image:
    """A white sheet, row below row; small pictures are enlarged to SMALLEST_CELL so that their captions can be read.

    Captions are wrapped at their picture's width.
    """
    cell = max(SMALLEST_CELL, *(max(image.size) for row in rows for image in row.images))
    font = ImageFont.load_default(FONT_SIZE)
    texts = [[textwrap.fill(visible(text), cell // (FONT_SIZE // 2)) for text in row.captions] for row in rows]
    text_height = max(text.count("\n") + 1 for row in texts for text in row) * (FONT_SIZE + 4)
    heading_height = HEADING_SIZE + MARGIN if any(row.heading for row in rows) else 0
    width, height = cell + MARGIN, heading_height + cell + text_height + MARGIN
    columns = max(len(row.images) for row in rows)
    sheet = Image.new("RGB", (columns * width + MARGIN, len(rows) * height + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (row, captions) in enumerate(zip(rows, texts, strict=True)):
        y = MARGIN + number * height
        draw.text((MARGIN, y), visible(row.heading), fill="black", font=ImageFont.load_default(HEADING_SIZE))
        y += heading_height
        for column, (image, text) in enumerate(zip(row.images, captions, strict=True)):
            x = MARGIN + column * width
            scale = cell / max(image.size)
            size = (round(image.width * scale), round(image.height * scale))
            sheet.paste(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), (x, y))
            draw.multiline_text((x, y + cell + 2), text, fill="black", font=font, spacing=2)
    return sheet
