"""Words of colour in a query, English and Chinese, alone and inside compounds: the family that each names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dam.chinese import CHINESE

_ENGLISH = {
    "red": "red", "crimson": "red", "scarlet": "red", "burgundy": "red", "maroon": "red",
    "orange": "orange", "amber": "orange",
    "yellow": "yellow", "gold": "yellow", "golden": "yellow", "lemon": "yellow",
    "green": "green", "olive": "green", "khaki": "green", "emerald": "green",
    "cyan": "cyan", "turquoise": "cyan", "teal": "cyan", "aqua": "cyan",
    "blue": "blue", "navy": "blue", "azure": "blue", "indigo": "blue",
    "purple": "purple", "violet": "purple", "lilac": "purple", "lavender": "purple",
    "pink": "pink", "rose": "pink", "magenta": "pink",
    "brown": "brown", "tan": "brown", "beige": "brown", "chocolate": "brown",
    "black": "black", "white": "white", "ivory": "white", "cream": "white",
    "grey": "grey", "gray": "grey", "silver": "grey",
}  # fmt: skip
_CHINESE = {
    "红": "red", "橙": "orange", "橘": "orange", "黄": "yellow", "金色": "yellow", "金黄": "yellow",
    "黄金": "yellow", "绿": "green", "青": "cyan", "蓝": "blue", "紫": "purple", "粉": "pink",
    "粉红": "pink", "棕": "brown", "褐": "brown", "咖啡色": "brown", "米色": "brown", "黑": "black",
    "白": "white", "灰": "grey", "银色": "grey",
}  # fmt: skip
# Words that have a sign of colour in them and name none.
_OTHERWISE = (
    "粉丝|粉末|粉底|粉笔|奶粉|面粉|花粉|米粉|洗衣粉|粉碎|明白|空白|坦白|表白|白天|白日|白费|白菜|白领|蛋白|"
    "青年|青春|青少年|青蛙|青菜|青椒|黄瓜|黄油|黄豆|黄昏|黄金周|紫菜|红薯|红包|网红|分红|红利|黑客|黑板|黑洞|"
    "灰尘|骨灰|石灰|灰心|蓝图|蓝牙|蓝莓|绿化|绿豆|橙子|橘子|橙汁|橘汁|红豆|红枣"
)
# A word that names no shade: what else has that colour is called so, in both languages.
_NAMES = {
    "red": ("red", "红色"), "yellow": ("yellow", "黄色"), "green": ("green", "绿色"),
    "blue": ("blue", "蓝色"), "purple": ("purple", "紫色"), "pink": ("pink", "粉色", "粉红色"),
    "brown": ("brown", "棕色", "褐色"), "black": ("black", "黑色"), "white": ("white", "白色"),
    "grey": ("grey", "gray", "灰色"), "orange": ("orange", "橙色", "橘色"),
}  # fmt: skip
# “orange” is a fruit at least as often.
_PLAIN = {name: family for family, names in _NAMES.items() for name in names if name != "orange"}
_SIGNS = re.compile(f"(?:{_OTHERWISE})|((?:{'|'.join(sorted(_CHINESE, key=len, reverse=True))})色?)")
_WORDS = re.compile(r"[a-z]+")
_RUN = re.compile(rf"[{CHINESE}]+")


def colour_families(text: str) -> set[str]:
    """The colour families named in `text`."""
    english = {_ENGLISH[word] for word in _WORDS.findall(text.lower()) if word in _ENGLISH}
    return english | {_family(sign) for sign, _end in _signs(text)}


def colour_names(text: str) -> list[str]:
    """What the colours that `text` names are called, in both languages; of shades (“navy”, 金色) nothing."""
    words = [word for word in _WORDS.findall(text.lower()) if word in _PLAIN]
    words += [f"{sign.removesuffix('色')}色" for sign, _end in _signs(text)]
    return [name for word in dict.fromkeys(words) if word in _PLAIN for name in _NAMES[_PLAIN[word]]]


def coloured(text: str) -> Iterator[str]:
    """What Chinese compounds say has the colour that they begin with: 红裙子 → 裙子, 白色的鞋 → 鞋."""
    for run in _RUN.findall(text):
        ends = [end for _sign, end in _signs(run)]
        if ends and (thing := run[ends[-1] :].removeprefix("的")):
            yield thing


def _signs(text: str) -> Iterator[tuple[str, int]]:
    """Chinese words of colour and where each ends."""
    for found in _SIGNS.finditer(text):
        if found[1]:
            yield found[1], found.end()


def _family(sign: str) -> str:
    return _CHINESE.get(sign) or _CHINESE[sign.removesuffix("色")]
