"""The demo's photos: public-domain samples that scikit-image ships, with the faults that real folders have."""

from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

PORTRAIT = "astronaut.png"  # NASA, public domain: Eileen Collins
CAT = "chelsea.png"  # CC0, Stefan van der Walt
SCENE = "coffee.png"  # CC0, Rachel Michetti
LAUNCH = "rocket.jpg"  # public domain, SpaceX

FACE_BOX = (118, 0, 374, 256)  # left, top, right, bottom in the portrait's 512 x 512 pixels
BUST_BOX = (40, 0, 440, 400)
TORSO_BOX = (20, 120, 400, 500)
OVAL_BOX = (110, 4, 340, 300)

EXIF_ORIENTATION = 0x0112
TURN_LEFT_TO_SHOW = 8


def write_demo_photos(folder: Path) -> None:
    """Write fourteen photos to `folder`; the same bytes every time for the same libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    portrait = _sample(PORTRAIT)
    _write_good(folder, portrait)
    _write_faulty(folder, portrait)
    _write_same_background(folder, portrait)


def _write_good(folder: Path, portrait: Image.Image) -> None:
    """Photos to keep; the turned one and the transparent one need a safe fix first."""
    _save(portrait, folder / "portrait.jpg")
    _save(_enlarged(portrait.crop(FACE_BOX)), folder / "face.jpg")
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = TURN_LEFT_TO_SHOW
    warm = _tinted(_enlarged(portrait.crop(BUST_BOX)), (255, 214, 170))
    _save(warm.transpose(Image.Transpose.ROTATE_270), folder / "turned-by-exif.jpg", exif)
    _enlarged(_oval(portrait)).save(folder / "transparent.png")


def _write_faulty(folder: Path, portrait: Image.Image) -> None:
    """One photo for each fault that a linter must find."""
    whole = (folder / "portrait.jpg").read_bytes()
    (folder / "portrait_copy.jpg").write_bytes(whole)
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    _save(ImageOps.mirror(portrait), folder / "portrait_mirrored.jpg")
    _save(_sample(CAT).filter(ImageFilter.GaussianBlur(6)), folder / "blurred-cat.jpg")
    _save(portrait.crop(TORSO_BOX).resize((40, 40), Image.Resampling.LANCZOS), folder / "too-small.jpg")
    far_away = _sample(LAUNCH)
    distant = _oval(portrait).resize((44, 57), Image.Resampling.LANCZOS)
    far_away.paste(distant, (150, 330), distant)
    _save(far_away, folder / "far-away.jpg")


def _write_same_background(folder: Path, portrait: Image.Image) -> None:
    """The subject in one place again and again, so that a model would learn the place with her."""
    places = [(20, 300), (190, 340), (330, 260), (120, 380)]
    lights = [(255, 255, 255), (255, 226, 190), (200, 220, 255), (230, 255, 225)]
    for number, ((left, height), light) in enumerate(zip(places, lights, strict=True), start=1):
        scene = _sample(SCENE)
        subject = _oval(_tinted(portrait, light))
        subject = subject.resize((round(subject.width * height / subject.height), height), Image.Resampling.LANCZOS)
        scene.paste(subject, (left, scene.height - height), subject)
        _save(scene, folder / f"same-table-{number}.jpg")


def _sample(name: str) -> Image.Image:
    with resources.as_file(resources.files("skimage.data") / name) as path, Image.open(path) as image:
        return image.convert("RGB")


def _oval(portrait: Image.Image) -> Image.Image:
    """Head and shoulders in a soft oval, transparent around it (RGBA)."""
    bust = portrait.crop(OVAL_BOX).convert("RGBA")
    mask = Image.new("L", bust.size)
    ImageDraw.Draw(mask).ellipse((10, 10, bust.width - 10, bust.height - 10), fill=255)
    bust.putalpha(mask.filter(ImageFilter.GaussianBlur(4)))
    return bust


def _enlarged(image: Image.Image) -> Image.Image:
    """Twice as large, and as crisp as a camera would have made it."""
    larger = image.resize((2 * image.width, 2 * image.height), Image.Resampling.LANCZOS)
    return larger.filter(ImageFilter.UnsharpMask(radius=2, percent=250, threshold=0))


def _tinted(image: Image.Image, light: tuple[int, int, int]) -> Image.Image:
    """The picture under coloured light (RGB, 255 leaves a channel as it is)."""
    return Image.fromarray((np.asarray(image, dtype=np.float32) * np.divide(light, 255)).astype(np.uint8))


def _save(image: Image.Image, path: Path, exif: Image.Exif | None = None) -> None:
    image.save(path, quality=92, exif=exif or Image.Exif())
