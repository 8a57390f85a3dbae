"""How things are called: the wordings that training uses, and those that it must never see."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from search.encoders.starter import judged_with
from search.encoders.starter.garments import DESCRIBED, GARMENTS

COLOUR_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "red": {"en": ("red", "crimson", "scarlet"), "zh": ("红色", "红", "大红色")},
    "orange": {"en": ("orange", "orange-coloured"), "zh": ("橙色", "橘色")},
    "gold": {"en": ("golden", "gold", "gold-coloured"), "zh": ("金色", "金黄色", "黄金")},
    "yellow": {"en": ("yellow", "bright yellow"), "zh": ("黄色", "黄")},
    "green": {"en": ("green", "dark green"), "zh": ("绿色", "绿", "翠绿色")},
    "turquoise": {"en": ("turquoise", "teal", "cyan"), "zh": ("青色", "青绿色")},
    "blue": {"en": ("blue", "navy blue", "azure"), "zh": ("蓝色", "蓝", "深蓝色")},
    "light blue": {"en": ("light blue", "sky blue", "pale blue"), "zh": ("浅蓝色", "天蓝色")},
    "purple": {"en": ("purple", "violet"), "zh": ("紫色", "紫罗兰色")},
    "pink": {"en": ("pink", "rose pink"), "zh": ("粉色", "粉红色")},
    "brown": {"en": ("brown", "chestnut brown"), "zh": ("棕色", "褐色", "咖啡色")},
    "beige": {"en": ("beige", "cream-coloured"), "zh": ("米色", "米白色")},
    "grey": {"en": ("grey", "gray", "silver grey"), "zh": ("灰色", "银灰色")},
    "black": {"en": ("black", "jet black"), "zh": ("黑色", "黑")},
    "white": {"en": ("white", "snow white"), "zh": ("白色", "白")},
}

# Two wordings of each class choose between trainings; no training sees them.
VALIDATION: dict[str, dict[str, tuple[str, ...]]] = {
    label: {language: (names[3], names[-1]) for language, names in words.items()}
    for label, words in GARMENTS.items()
}

# A wider word fits several classes.
WIDER: dict[str, tuple[frozenset[str], dict[str, tuple[str, ...]]]] = {
    "clothing": (
        frozenset(GARMENTS),
        {
            "en": ("clothes", "clothing item", "apparel", "fashion item", "something to wear"),
            "zh": ("服装", "衣物", "服饰", "穿戴用品", "时尚单品"),
        },
    ),
    "tops": (
        frozenset({"longsleeve", "outwear", "shirt", "t-shirt"}),
        {"en": ("top", "upper-body garment", "tops"), "zh": ("上衣", "上装", "上身穿的衣服")},
    ),
    "bottoms": (
        frozenset({"pants", "shorts", "skirt"}),
        {"en": ("bottoms", "lower-body garment", "garment worn below the waist"), "zh": ("下装", "下身穿的")},
    ),
    "trousers": (
        frozenset({"pants", "shorts"}),
        {"en": ("garment with two legs", "leg wear"), "zh": ("裤装", "有两条裤腿的衣物")},
    ),
    "women": (
        frozenset({"dress", "skirt"}),
        {
            "en": ("feminine skirt or dress", "women's dresses and skirts"),
            "zh": ("裙子", "女裙", "女生穿的裙子"),
        },
    ),
}

_FRAMES = {
    "en": (
        "{}",
        "{}",
        "a {}",
        "the {}",
        "photo of a {}",
        "a picture of a {}",
        "{} for women",
        "{} for men",
        "{} for kids",
        "{} on a plain background",
        "{} laid out on the floor",
        "{} on a hanger",
        "product shot of a {}",
        "{} for summer",
        "{} for winter",
        "second-hand {}",
        "new {} in the catalogue",
        "casual {}",
        "elegant {}",
        "{} for everyday wear",
        "{} for a party",
        "stylish {}",
        "cotton {}",
        "show me a {}",
        "where is my {}",
    ),
    "zh": (
        "{}",
        "{}",
        "一件{}",
        "{}的照片",
        "一张{}的图片",
        "女士{}",
        "男士{}",
        "儿童{}",
        "{}平铺图",
        "{}商品图",
        "挂着的{}",
        "放在地板上的{}",
        "夏季{}",
        "冬天的{}",
        "二手{}",
        "新款{}",
        "休闲{}",
        "优雅的{}",
        "日常穿的{}",
        "聚会穿的{}",
        "时尚{}",
        "纯棉{}",
        "我想找{}",
        "{}实拍",
        "复古风格的{}",
    ),
}
_COLOURED = {
    "en": ("{colour} {name}", "a {colour} {name}", "{name} in {colour}", "photo of a {colour} {name}"),
    "zh": ("{colour}{name}", "{colour}的{name}", "一个{colour}的{name}", "{colour}{name}的图片"),
}
_DRAWN = {
    "en": (
        "{}",
        "{}",
        "{}",
        "{}",
        "a {}",
        "a drawing of a {}",
        "icon of a {}",
        "{} emoji",
        "a picture of a {}",
        "an illustration of {}",
        "cartoon {}",
        "clip art: {}",
        "{} symbol",
        "cute {}",
    ),
    "zh": (
        "{}",
        "{}",
        "{}",
        "{}",
        "一个{}",
        "{}的图画",
        "{}图标",
        "{}表情",
        "一张{}的图片",
        "{}的插画",
        "卡通{}",
        "手绘{}",
        "{}符号",
        "可爱的{}",
    ),
}
_PHOTOGRAPHED = {
    "en": ("{}", "{}", "a {}", "a photo of a {}", "picture of a {}", "close-up of a {}"),
    "zh": ("{}", "{}", "一个{}", "{}的照片", "一张{}的图片", "{}特写"),
}
_TOGETHER = {
    "en": (
        "{a} and {b}",
        "a {a} with a {b}",
        "{a} next to a {b}",
        "{a} together with {b}",
        "{a} holding a {b}",
    ),
    "zh": ("{a}和{b}", "{a}与{b}", "{a}还有{b}", "带着{b}的{a}", "{a}旁边有{b}", "拿着{b}的{a}"),
}

_HELD_OUT_WORDS = ("footwear", "headwear", "legwear", "裙装")
_ARTICLES = re.compile(r"^(?:a pair of|an?|the|一双|一件|一个)\s*")


def _core(text: str) -> str:
    return _ARTICLES.sub("", text.strip().lower()).strip()


_FORBIDDEN = {
    _core(text)
    for kept in (*judged_with.ALL, VALIDATION)
    for words in kept.values()
    for texts in words.values()
    for text in texts
}


def allowed(text: str) -> bool:
    """Whether training may see this wording."""
    return _core(text) not in _FORBIDDEN and not any(word in text.lower() for word in _HELD_OUT_WORDS)


@dataclass(frozen=True)
class Caption:
    """A wording, and everything that a picture must show for it to be true."""

    text: str
    needs: tuple[str, ...]


def colour_need(colour: str) -> str:
    """The tag of a colour."""
    return f"colour:{colour}"


def garment_captions(draw: random.Random) -> list[Caption]:
    """Every noun of every class in several frames, plain and with colours."""
    found: list[Caption] = []
    for label, names in GARMENTS.items():
        kept = VALIDATION[label]
        words = {
            language: tuple(name for name in options if name not in kept[language])
            for language, options in names.items()
        }
        found += _framed(words, f"garment:{label}", _FRAMES, 9, draw)
        found += _framed(DESCRIBED[label], f"garment:{label}", _FRAMES, 4, draw)
        found += _coloured(words, f"garment:{label}", tuple(COLOUR_WORDS), 1, draw)
    for wide, (_, words) in WIDER.items():
        found += _framed(words, f"wider:{wide}", _FRAMES, 5, draw)
    return [caption for caption in found if allowed(caption.text)]


def drawing_captions(
    names: dict[str, str], tag: str, colours: tuple[str, ...], draw: random.Random
) -> list[Caption]:
    """One drawing's name in both languages, bare and framed, and in each of its colours."""
    words = {language: (name,) for language, name in names.items()}
    found = [Caption(name, (tag,)) for name in names.values()]
    found += _framed(words, tag, _DRAWN, 2, draw) + _coloured(words, tag, colours, 1, draw)
    return [caption for caption in found if allowed(caption.text)]


def class_captions(
    words: dict[str, tuple[str, ...]], definition: str, tag: str, draw: random.Random
) -> list[Caption]:
    """A photographed class: its names in both languages and its definition."""
    found = [
        *_framed(words, tag, _PHOTOGRAPHED, 2, draw),
        Caption(definition, (tag,)),
    ]
    return [caption for caption in found if allowed(caption.text)]


def scene_captions(
    first: dict[str, str], second: dict[str, str], tags: tuple[str, str], draw: random.Random
) -> list[Caption]:
    """Two drawings in one picture, one wording a language."""
    found = []
    for language, frames in _TOGETHER.items():
        text = draw.choice(frames).format(a=first[language], b=second[language])
        found.append(Caption(text, tags))
    return [caption for caption in found if allowed(caption.text)]


def colour_captions() -> list[Caption]:
    """Colours by themselves."""
    frames = {"en": ("{}", "something {}", "a {} thing"), "zh": ("{}", "{}的东西", "{}的图片")}
    return [
        Caption(frame.format(word), (colour_need(colour),))
        for colour, words in COLOUR_WORDS.items()
        for language, options in words.items()
        for word in options
        for frame in frames[language]
    ]


def _framed(
    words: dict[str, tuple[str, ...]],
    tag: str,
    frames: dict[str, tuple[str, ...]],
    count: int,
    draw: random.Random,
) -> list[Caption]:
    texts = {
        frame.format(word)
        for language, options in words.items()
        for word in options
        for frame in draw.sample(frames[language], min(count, len(frames[language])))
    }
    return [Caption(text, (tag,)) for text in sorted(texts)]


def _coloured(
    words: dict[str, tuple[str, ...]], tag: str, colours: tuple[str, ...], count: int, draw: random.Random
) -> list[Caption]:
    found = []
    for colour in colours:
        for language, options in words.items():
            for _ in range(count):
                frame = draw.choice(_COLOURED[language])
                text = frame.format(
                    colour=draw.choice(COLOUR_WORDS[colour][language]), name=draw.choice(options)
                )
                found.append(Caption(text, (tag, colour_need(colour))))
    return found
