"""Many pictures on one sheet, each with its caption below."""

import math
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from curation.text import visible

FONT_SIZE = 12
MARGIN = 8
SMALLEST_CELL = 160


def contact_sheet(images: Sequence[Image.Image], captions: Sequence[str], columns: int) -> Image.Image:
    """A white grid, row by row; small pictures are enlarged to SMALLEST_CELL so that their captions can be read.

    images: at least one.  captions: one for each, wrapped at the cell's width.
    """
    cell = max(SMALLEST_CELL, *(max(image.size) for image in images))
    font = ImageFont.load_default(FONT_SIZE)
    texts = [textwrap.fill(visible(caption), cell // (FONT_SIZE // 2)) for caption in captions]
    text_height = max(text.count("\n") + 1 for text in texts) * (FONT_SIZE + 4)
    rows = math.ceil(len(images) / columns)
    width, height = cell + MARGIN, cell + text_height + MARGIN
    sheet = Image.new("RGB", (columns * width + MARGIN, rows * height + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (image, text) in enumerate(zip(images, texts, strict=True)):
        row, column = divmod(index, columns)
        x, y = MARGIN + column * width, MARGIN + row * height
        scale = cell / max(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        sheet.paste(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), (x, y))
        draw.multiline_text((x, y + cell + 2), text, fill="black", font=font, spacing=2)
    return sheet
