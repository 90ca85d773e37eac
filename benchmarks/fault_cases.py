"""Which fault is planted at which strength for each rule; benchmarks/planted_faults.py counts what is found."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from benchmarks import fault_generator as make
from curation.needs import TrainingNeeds
from curation.report import Kind

Photos = Mapping[str, np.ndarray]
Planted = frozenset[str]
"""The names of the photos that a finding must name together."""

NEEDS = TrainingNeeds()
CLASS_IMAGES = ".class"
"""Folder beside the photos, hidden from them."""


@dataclass(frozen=True)
class Case:
    """One fault at one strength.  plant: writes the photos into a folder and returns what ought to be found."""

    code: str
    fault: str
    plant: Callable[[Photos, Path], Sequence[Planted]]
    kind: Kind = "object"
    needs: TrainingNeeds = NEEDS


def _each(suffix: str, fault: Callable[[np.ndarray], bytes]) -> Callable[[Photos, Path], Sequence[Planted]]:
    """The fault in every photo."""

    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        for name, rgb in photos.items():
            (folder / f"{name}{suffix}").write_bytes(fault(rgb))
        return [frozenset({f"{name}{suffix}"}) for name in photos]

    return plant


def _pixels(fault: Callable[[np.ndarray], np.ndarray]) -> Callable[[Photos, Path], Sequence[Planted]]:
    return _each(".jpg", lambda rgb: make.jpeg(fault(rgb)))


def _beside(suffix: str, fault: Callable[[np.ndarray], bytes]) -> Callable[[Photos, Path], Sequence[Planted]]:
    """Every photo, and beside it a version of it."""

    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        for name, rgb in photos.items():
            (folder / f"{name}.jpg").write_bytes(make.jpeg(rgb))
            (folder / f"{name}-copy{suffix}").write_bytes(fault(rgb))
        return [frozenset({f"{name}.jpg", f"{name}-copy{suffix}"}) for name in photos]

    return plant


def _copied(photos: Photos, folder: Path) -> Sequence[Planted]:
    for name, rgb in photos.items():
        for copy in (name, f"{name}-copy"):
            (folder / f"{copy}.jpg").write_bytes(make.jpeg(rgb))
    return [frozenset({f"{name}.jpg", f"{name}-copy.jpg"}) for name in photos]


def _same_pixels(photos: Photos, folder: Path) -> Sequence[Planted]:
    """As BMP, and as PNG stored upside down with an EXIF note."""
    for name, rgb in photos.items():
        (folder / f"{name}.bmp").write_bytes(make.saved(rgb, "BMP"))
        turned = np.ascontiguousarray(rgb[::-1, ::-1])
        (folder / f"{name}.png").write_bytes(make.saved(turned, "PNG", exif=make.exif(3), compress_level=1))
    return [frozenset({f"{name}.bmp", f"{name}.png"}) for name in photos]


def _clashing(photos: Photos, folder: Path) -> Sequence[Planted]:
    for name, rgb in photos.items():
        for one in (name, name.upper()):
            (folder / f"{one}.jpg").write_bytes(make.jpeg(make.smaller(rgb, 64)))
    return [frozenset({f"{name}.jpg", f"{name.upper()}.jpg"}) for name in photos]


def _burst(seconds: int) -> Callable[[Photos, Path], Sequence[Planted]]:
    """Two moments of one scene: the camera turned and came nearer, other noise, taken so many seconds apart."""

    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        for hour, (name, rgb) in enumerate(photos.items()):
            for second, version in enumerate((rgb, make.noisy(make.moved(rgb, 14, 1.2), 3, hour))):
                note = make.exif(taken=f"2026:05:01 {hour:02}:00:{second * seconds:02}", camera="Maker")
                (folder / f"{name}-{second}.jpg").write_bytes(make.saved(version, "JPEG", quality=92, exif=note))
        return [frozenset({f"{name}-0.jpg", f"{name}-1.jpg"}) for name in photos]

    return plant


def _one_day(photos: Photos, folder: Path) -> Sequence[Planted]:
    for minute, (name, rgb) in enumerate(photos.items()):
        note = make.exif(taken=f"2026:05:01 10:{minute:02}:00", camera="Maker")
        (folder / f"{name}.jpg").write_bytes(make.saved(rgb, "JPEG", quality=92, exif=note))
    return [frozenset(f"{name}.jpg" for name in photos)]


def _same_place(photos: Photos, folder: Path) -> Sequence[Planted]:
    """Four photos at one place, the subject elsewhere, the light changed, for every third photo as the place."""
    names = list(photos)
    subjects = [make.middle(photos[name]) for name in names]
    planted = []
    for place in range(0, len(names), 3):
        group = []
        for number in range(4):
            subject = subjects[(place + 5 + number) % len(names)]
            scene = make.exposed(photos[names[place]], (-0.4, 0.0, 0.2, 0.4)[number])
            scene = make.shifted(scene, 0.03 * number)
            path = folder / f"{names[place]}-{number}.jpg"
            path.write_bytes(make.jpeg(make.pasted(scene, subject, number / 3, 0.5)))
            group.append(path.name)
        planted.append(frozenset(group))
    return planted


def _few(count: int) -> Callable[[Photos, Path], Sequence[Planted]]:
    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        for name, rgb in list(photos.items())[:count]:
            (folder / f"{name}.jpg").write_bytes(make.jpeg(rgb))
        return [frozenset()]

    return plant


def _cuts(index: int, count: int) -> Callable[[Photos, Path], Sequence[Planted]]:
    """Nothing but pieces of one photo, at a quarter of its size."""

    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        rgb = list(photos.values())[index]
        side = min(rgb.shape[:2])
        rng = np.random.default_rng(index)
        for number in range(count):
            top, left = rng.integers(0, side // 2, 2)
            (folder / f"{number}.jpg").write_bytes(make.jpeg(rgb[top : top + side // 2, left : left + side // 2]))
        return [frozenset()]

    return plant


def _faces(
    *places: float,
    height: float,
    fault: Callable[[np.ndarray], np.ndarray] = lambda bust: bust,
    scene_of: Callable[[np.ndarray], np.ndarray] = lambda rgb: rgb,
) -> Callable[[Photos, Path], Sequence[Planted]]:
    """The one portrait at hand, at these places (0 is left, 1 is right) in every photo.

    height: of the bust, a share of the photo's.  fault: put into the bust.  scene_of: makes the scene of the photo.
    """
    bust = fault(data.astronaut()[0:300, 90:350])

    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        for name, rgb in photos.items():
            scene = scene_of(rgb)
            for place in places:
                scene = make.pasted(scene, bust, place, height)
            (folder / f"{name}.jpg").write_bytes(make.jpeg(scene))
        return [frozenset({f"{name}.jpg"}) for name in photos]

    return plant


def _captions(
    write: Callable[[int], str | None], sidecar: bytes | None = None
) -> Callable[[Photos, Path], Sequence[Planted]]:
    """A caption in metadata.jsonl for each photo but those that get None, and a sidecar for each."""

    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        rows = []
        for number, (name, rgb) in enumerate(photos.items()):
            (folder / f"{name}.jpg").write_bytes(make.jpeg(make.smaller(rgb, 64)))
            rows += [
                {"file_name": f"{name}.jpg", "prompt": caption} for caption in (write(number),) if caption is not None
            ]
            if sidecar is not None:
                (folder / f"{name}.txt").write_bytes(sidecar)
        if rows:
            (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return [frozenset({f"{name}.jpg"}) for name in photos]

    return plant


def _without_photo(*files: tuple[str, bytes]) -> Callable[[Photos, Path], Sequence[Planted]]:
    """Clean photos, and files that belong to none of them; one finding for each is wanted."""

    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        for name, rgb in photos.items():
            (folder / f"{name}.jpg").write_bytes(make.jpeg(make.smaller(rgb, 64)))
        for name, content in files:
            (folder / name).write_bytes(content)
        return [frozenset()]

    return plant


def _together(plant: Callable[[Photos, Path], Sequence[Planted]]) -> Callable[[Photos, Path], Sequence[Planted]]:
    """What is one finding about all the photos."""

    def planted(photos: Photos, folder: Path) -> Sequence[Planted]:
        return [frozenset().union(*plant(photos, folder))]

    return planted


def _halves(plant: Callable[[Photos, Path], Sequence[Planted]]) -> Callable[[Photos, Path], Sequence[Planted]]:
    """What only every second photo has, the first one with it."""

    def planted(photos: Photos, folder: Path) -> Sequence[Planted]:
        return plant(photos, folder)[::2]

    return planted


def _class_images(short_side: int, copies: bool) -> Callable[[Photos, Path], Sequence[Planted]]:
    """Every second photo, and a folder of class images: the others, or small copies of the same."""

    def plant(photos: Photos, folder: Path) -> Sequence[Planted]:
        (folder / CLASS_IMAGES).mkdir()
        own, other = list(photos)[::2], list(photos)[1::2]
        for name in own:
            (folder / f"{name}.jpg").write_bytes(make.jpeg(photos[name]))
        for name in own if copies else other:
            (folder / CLASS_IMAGES / f"{name}-class.jpg").write_bytes(
                make.jpeg(make.smaller(photos[name], short_side), 85)
            )
        return [frozenset({f"{name}-class.jpg"}) for name in (own if copies else other)]

    return plant


TOK = replace(NEEDS, token_abstraction=("TOK",))
PRIOR = replace(NEEDS, num_class_images=20)
WORDS = "a quick brown dog jumps over one lazy cat near that old red barn"

CASES: tuple[Case, ...] = (
    *(
        Case(
            "FIL001", f"file cut at {share:.0%}", _each(".jpg", lambda rgb, s=share: make.cut_short(make.jpeg(rgb), s))
        )
        for share in (0.02, 0.5, 0.95, 0.999)
    ),
    *(
        Case("FIL001", f"PNG cut at {share:.0%}", _each(".png", lambda rgb, s=share: make.cut_short(make.png(rgb), s)))
        for share in (0.5, 0.95)
    ),
    Case("FIL002", "PNG called .jpg", _each(".jpg", make.png)),
    Case("FIL002", "JPEG called .png", _each(".png", make.jpeg)),
    *(
        Case(
            "FIL003",
            f"EXIF orientation {turn}",
            _each(".jpg", lambda rgb, t=turn: make.saved(rgb, "JPEG", exif=make.exif(t))),
        )
        for turn in (2, 3, 6, 8)
    ),
    Case("FIL004", "CMYK", _each(".jpg", lambda rgb: make.saved(rgb, "JPEG", "CMYK"))),
    Case("FIL004", "grey", _each(".png", lambda rgb: make.saved(rgb, "PNG", "L"))),
    Case("FIL004", "palette", _each(".png", lambda rgb: make.saved(rgb, "PNG", "P"))),
    *(
        Case("FIL005", f"{share:.0%} transparent", _each(".png", lambda rgb, s=share: make.with_alpha(rgb, s)))
        for share in (0.01, 0.3)
    ),
    Case("FIL006", "16-bit PNG", _each(".png", make.sixteen_bit)),
    Case(
        "FIL007",
        "profile of another colour space",
        _each(".jpg", lambda rgb: make.saved(rgb, "JPEG", icc_profile=make.wide_gamut_profile())),
    ),
    *(
        Case(
            "FIL008",
            f"{format}, two frames",
            _each(
                suffix,
                lambda rgb, f=format: make.saved(
                    make.smaller(rgb, 128),
                    f,
                    save_all=True,
                    append_images=[make.Image.fromarray(255 - make.smaller(rgb, 128))],
                ),
            ),
        )
        for format, suffix in (("GIF", ".gif"), ("WEBP", ".webp"), ("PNG", ".png"))
    ),
    *(
        Case("FIL009", f"header of {side:,} x {side:,}", _each(".png", lambda rgb, s=side: make.huge_header(s)))
        for side in (15_000, 60_000)
    ),
    *(
        Case("FIL010", f"a {suffix} file", _without_photo((f"photo{suffix}", b"II*\0" + bytes(99))))
        for suffix in (".cr2", ".psd", ".svg")
    ),
    Case("FIL011", "names that differ in case", _clashing),
    Case("FIL012", "GPS in the EXIF", _each(".jpg", lambda rgb: make.saved(rgb, "JPEG", exif=make.exif(gps=True)))),
    *(
        Case("IMG001", f"shorter side {side}", _pixels(lambda rgb, s=side: make.smaller(rgb, s)))
        for side in (1000, 760, 500)
    ),
    *(
        Case(
            "IMG002", f"lens blur, radius {radius} per mille", _pixels(lambda rgb, r=radius: make.out_of_focus(rgb, r))
        )
        for radius in (2, 4, 8)
    ),
    *(
        Case("IMG003", f"enlarged {factor:g}x", _pixels(lambda rgb, f=factor: make.upscaled(rgb, f)))
        for factor in (1.5, 2, 3, 4)
    ),
    Case("IMG003", "enlarged 3x, linear", _pixels(lambda rgb: make.upscaled(rgb, 3, cv2.INTER_LINEAR))),
    *(
        Case(
            "IMG004",
            f"shaken by {length} per mille at {angle} degrees",
            _pixels(lambda rgb, n=length, a=angle: make.shaken(rgb, n, a)),
        )
        for length, angle in ((10, 0), (15, 30), (30, 75))
    ),
    *(
        Case("IMG005", f"exposed by {stops:+g} stops", _pixels(lambda rgb, s=stops: make.exposed(rgb, s)))
        for stops in (-6, -4, 3, 5)
    ),
    *(
        Case("IMG006", f"{contrast:.0%} of its contrast", _pixels(lambda rgb, c=contrast: make.flattened(rgb, c)))
        for contrast in (0.0, 0.05, 0.15)
    ),
    *(
        Case(
            "IMG007",
            f"border of {share:.0%}, {words}",
            _pixels(lambda rgb, s=share, c=colour, d=sides: make.bordered(rgb, s, c, d)),
        )
        for share, colour, sides, words in (
            (0.02, (0, 0, 0), "tb", "black, above and below"),
            (0.1, (0, 0, 0), "lr", "black, left and right"),
            (0.05, (255, 255, 255), "tblr", "white, around"),
            (0.1, (180, 40, 90), "tb", "coloured, above and below"),
        )
    ),
    *(
        Case("IMG008", f"JPEG quality {quality}", _each(".jpg", lambda rgb, q=quality: make.jpeg(rgb, q)))
        for quality in (10, 30, 45, 65)
    ),
    *(Case("IMG009", f"cut to {ratio:g} to 1", _pixels(lambda rgb, r=ratio: make.strip(rgb, r))) for ratio in (2.5, 4)),
    Case("DUP001", "the same bytes", _copied),
    Case("DUP001", "the same pixels in BMP and a turned PNG", _same_pixels),
    *(
        Case("DUP002", f"JPEG quality {quality}", _beside(".jpg", lambda rgb, q=quality: make.jpeg(rgb, q)))
        for quality in (70, 20)
    ),
    *(
        Case("DUP002", f"shrunk to {side}", _beside(".jpg", lambda rgb, s=side: make.jpeg(make.smaller(rgb, s))))
        for side in (512, 200)
    ),
    Case("DUP002", "one stop darker", _beside(".jpg", lambda rgb: make.jpeg(make.exposed(rgb, -1)))),
    Case("DUP002", "noise", _beside(".jpg", lambda rgb: make.jpeg(make.noisy(rgb, 12, 1)))),
    Case("DUP002", "cut by 4%", _beside(".jpg", lambda rgb: make.jpeg(make.shifted(rgb, 0.04)))),
    Case("DUP003", "flipped", _beside(".jpg", lambda rgb: make.jpeg(np.ascontiguousarray(rgb[:, ::-1])))),
    Case("DUP003", "flipped, cut by 3%", _beside(".jpg", lambda rgb: make.jpeg(make.shifted(rgb[:, ::-1], 0.03)))),
    *(
        Case("DUP004", f"cut by {share:.0%}", _beside(".jpg", lambda rgb, s=share: make.jpeg(make.shifted(rgb, s))))
        for share in (0.15, 0.3, 0.45)
    ),
    *(Case("DUP005", f"{seconds} s apart", _burst(seconds)) for seconds in (1, 3)),
    Case("FAC001", "the portrait twice, cascade", _faces(0, 1, height=0.4), "person"),
    Case("FAC002", "no face in it, cascade", _pixels(lambda rgb: rgb), "person"),
    *(
        Case("FAC003", f"a bust of {height:.0%}, cascade", _faces(0.5, height=height), "person")
        for height in (0.06, 0.09)
    ),
    *(
        Case(
            "FAC005",
            f"a face of about {pixels // 2} pixels, cascade",
            _faces(0.5, height=0.3, scene_of=lambda rgb, p=pixels: make.smaller(rgb, round(p / 0.3))),
            "person",
        )
        for pixels in (80, 110)
    ),
    *(
        Case(
            "FAC006",
            f"the bust out of focus by {radius} per mille, cascade",
            _faces(0.5, height=0.5, fault=lambda bust, r=radius: make.out_of_focus(bust, r)),
            "person",
        )
        for radius in (8, 15)
    ),
    *(
        Case(
            "FAC007",
            f"the bust at {stops:+g} stops, cascade",
            _faces(0.5, height=0.5, fault=lambda bust, s=stops: make.exposed(bust, s)),
            "person",
        )
        for stops in (-3, -4, 3)
    ),
    Case(
        "FAC009",
        "the bust at the edge of a photo of 2 to 1, cascade",
        _faces(0, height=0.5, scene_of=lambda rgb: make.strip(rgb, 2)),
        "person",
        replace(NEEDS, center_crop=True),
    ),
    Case("SET001", "four photos at each place", _same_place),
    Case("SET002", "5 photos of an object", _few(5)),
    Case("SET003", "60 photos of an object", _cuts(0, 60)),
    Case("SET007", "all within one hour, one camera", _together(_one_day)),
    *(Case("SET010", f"nothing but pieces of photo {index}", _cuts(index, 8)) for index in (2, 7, 12)),
    Case("REG001", "class images are small copies", _class_images(400, copies=True), needs=PRIOR),
    Case("REG002", "class images of 300 pixels", _class_images(300, copies=False), needs=PRIOR),
    Case("REG003", "half of those wanted", _together(_class_images(1024, copies=False)), needs=PRIOR),
    Case("CAP001", "no caption on half", _halves(_captions(lambda n: "a can" if n % 2 else None))),
    Case("CAP002", "no trigger word", _captions(lambda n: f"a can number {n}"), needs=TOK),
    Case("CAP003", "one caption for all", _captions(lambda n: "a photo of TOK")),
    Case("CAP004", "an empty caption on half", _halves(_captions(lambda n: "a can" if n % 2 else " "))),
    Case(
        "CAP005",
        "a .txt without a photo",
        _without_photo(("dreambooth-can-00.txt", b"a can"), ("dreambooth-can-99.txt", b"a can")),
    ),
    Case("CAP006", "sidecar says otherwise", _captions(lambda n: f"caption {n}", sidecar=b"another caption")),
    Case("CAP007", "trigger word twice", _captions(lambda n: f"TOK and TOK, {n}"), needs=TOK),
    Case("CAP008", "84 words", _captions(lambda n: " ".join([WORDS] * 6))),
    Case("CAP009", "six words in all", _captions(lambda n: f"in the style of dreams, number {n}")),
    Case("CAP010", "an escape sequence", _captions(lambda n: f"a can \x1b[31m {n}")),
    Case("CAP011", "sidecar in Latin-1", _captions(lambda n: None, sidecar="a caf\xe9".encode("latin-1"))),
    Case("CAP011", "sidecar in UTF-16", _captions(lambda n: None, sidecar="a can".encode("utf-16"))),
    Case(
        "CAP012",
        "a row without a photo",
        _without_photo(("metadata.jsonl", b'{"file_name": "gone.jpg", "prompt": "x"}\n')),
    ),
)
