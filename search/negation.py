"""What a sentence does not want: "without logo", "-logo", "not red", "不要logo的", "除了鞋子以外".

By rules, in both languages. Words that only look like a negation stay as they are: those of NOT_NEGATED, and
what the caller knows as a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from search.colour_words import colour_families

# Articles for the rules, not against them: goods and names that carry a word of negation.
NOT_NEGATED = (
    r"no[- ](?:show|iron|slip|tie|wire|sew|fuss|brainer|nonsense|name|make-?up|smoking|entry|parking)\b",
    r"no[- ](?:littering|one|pedestrians|bicycles|mobile phones|man'?s land)\b",
    r"no\.? ?\d+",
    r"non[- ]?(?:slip|stick|woven|iron|fiction|binary|profit|potable|stop|alcoholic|fungible|toxic)\b",
    r"(?:doctors|reporters) without borders",
    r"forget[- ]me[- ]nots?",
    r"touch[- ]me[- ]nots?",
    r"not without\b",
    r"(?:is|are|was|if|or|why|whether|did|does|do) not\b",
)
NOT_NEGATED_ZH = (
    "无袖", "无线", "无人机", "无人区", "无缝", "无框", "无钢圈", "无领", "无肩带", "无帽", "无尾熊",
    "无花果", "无痕", "无印良品", "无性别", "无纺布", "无限", "无极", "无边帽", "无带", "无跟", "无扣",
    "无骨", "无糖", "无烟", "无毒", "无敌", "无数", "无声", "无聊", "无双", "无名", "无畏", "无题", "非洲",
    "非常", "非凡", "非主流", "非遗", "非同", "非卖品", "是非", "除非", "并非", "莫非", "不锈钢", "不倒翁",
    "不规则", "不对称", "不织布", "不透明", "不沾", "不粘", "不易", "不同", "有没有", "要不要", "是不是",
    "带不带", "含不含",
)  # fmt: skip

_EXCLUSIVE = r"(?:other than|except(?: for)?|excluding|but not|aside from|apart from)"
_LACKING = r"(?:without|(?:that|which|who) (?:has|have|had) no|w/o|with no|free of|minus|sans)"
_ARTICLE = r"(?:(?:a|an|any|the|some|visible|my)\s+)*"
_ENGLISH = re.compile(
    rf"(?<![\w-])(?:(?:{_LACKING}|{_EXCLUSIVE})\b|(?P<non>non[- ])|(?P<not>not\b)|(?P<no>no\b))\s*"
    rf"(?:(?:in|with|on|for|of)\s+)?{_ARTICLE}(?P<rest>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_MINUS = re.compile(r'(?<!\S)[-－–](?:"(?P<quoted>[^"]+)"|(?P<word>[^\W\d][^\s,，。;；]*))')
_FREE = re.compile(
    r"(?<![\w-])(?P<word>logo|pattern|print|text|watermark|lace|fur|leather)s?-free(?![\w-])", re.I
)
# Where what is not wanted ends.
_BOUNDARY = re.compile(
    r"[,.;:!?()，。；：！？、]|(?<!\S)(?:in|on|with|for|from|at|of|by|to|but|that|which|who|please|under|over)(?!\S)"
    r"|(?<!\S)(?:without|except|no|not)(?!\S)|(?<=[a-z0-9])\s*[\u4e00-\u9fff]",
    re.IGNORECASE,
)
_JOINED = re.compile(r"\s*(?:,\s*)?(?<!\S)(?:and|or|nor|&)(?!\S)\s*", re.IGNORECASE)
_QUALIFIER = frozenset(
    ("long", "short", "big", "small", "large", "printed", "front", "back", "visible", "high", "low", "wide",
     "thin", "thick", "dark", "light", "bright", "striped", "checked", "floral", "leather")
)  # fmt: skip
_MOST_WORDS = 4

_HAN = r"[\u3400-\u9fff]"
_NOUNS = (
    "图案|花纹|印花|文字|字母|水印|标志|商标|标识|口袋|帽子|扣子|纽扣|拉链|蕾丝|领子|袖子|背景|腰带|"
    "流苏|亮片|刺绣|花|人物|人|字"
)
_CHINESE = re.compile(
    r"(?:"
    r"除(?:了|去)?+(?P<except>(?!以外|之外)[^，。；,;！？!?\s]+?)(?:之外|以外|外)(?:的)?"
    r"|(?:不想要|不需要|不要有|不要带|不要|不带有|不带|不含有|不含|不是|不能有|不戴|不穿|别要|没有带|没有穿|"
    r"没有戴|没有|没带|没穿|"
    r"没戴|排除|去除|去掉|除去|除了)\s*(?P<wanting>[^，。；,;！？!?（）()]+)"
    rf"|无\s*(?P<lacking>(?:{_NOUNS})(?={_HAN}|\W|$)|[A-Za-z][A-Za-z0-9-]*)"
    r"|非\s*(?P<being>[深浅暗亮]?[红橙橘黄绿青蓝紫粉黑白灰棕褐米金银]色?)"
    r")"
)
_OF = re.compile(r"的|\s(?=[\u3400-\u9fff])")
_JOINED_ZH = re.compile(r"\s*(?:以及|和|或者|或|与|及|、|/)\s*")
_FILLERS = re.compile(
    "(?:everything|anything|all|something|please"
    "|所有的?|全部的?|任何的?|其他的?|其它的?|都要|都行|都可以|东西|图片|素材)+",
    re.IGNORECASE,
)
_HIDDEN = "\ue000{}\ue001"
_SHOWN = re.compile("\ue000(\\d+)\ue001")


@dataclass
class Split:
    """A sentence without what it does not want, and that."""

    wanted: str
    unwanted: list[str] = field(default_factory=list)


def split(text: str, is_name: Callable[[str], bool] = lambda phrase: False) -> Split:
    """Take what is not wanted out of a sentence.

    Args:
        is_name: whether the library knows this phrase as a name ("No entry"), which then negates nothing.
    """
    if is_name(text.strip()):
        return Split(text.strip())
    kept = _Kept()
    rest = kept.hide(text)
    unwanted: list[str] = []
    rest = _MINUS.sub(lambda found: _note(unwanted, found["quoted"] or found["word"]), rest)
    rest = _FREE.sub(lambda found: _note(unwanted, found["word"]), rest)
    rest = _take_chinese(rest, unwanted)
    rest = _take_english(rest, unwanted)
    if not unwanted:
        return Split(text.strip())
    wanted = _tidy(kept.show(rest))
    if _FILLERS.fullmatch(wanted.replace(" ", "")):
        wanted = ""
    phrases = (_tidy(kept.show(phrase)) for phrase in unwanted)
    return Split(wanted, list(dict.fromkeys(phrase for phrase in phrases if phrase)))


class _Kept:
    """Parts that no rule looks into: quoted ones, and words that only look like a negation."""

    _all = re.compile(
        '"[^"]+"' + "|“[^”]+”|" + "|".join(rf"(?<![\w-])(?:{word})" for word in NOT_NEGATED)
        + "|" + "|".join(NOT_NEGATED_ZH),
        re.IGNORECASE,
    )  # fmt: skip

    def __init__(self) -> None:
        self._parts: list[str] = []

    def hide(self, text: str) -> str:
        def put(found: re.Match[str]) -> str:
            before = text[: found.start()]
            if found[0].startswith('"') and re.search(r"(?<!\S)[-－–]$", before):
                return found[0]  # -"long sleeve"
            self._parts.append(found[0])
            return _HIDDEN.format(len(self._parts) - 1)

        return self._all.sub(put, text)

    def show(self, text: str) -> str:
        return _SHOWN.sub(lambda found: self._parts[int(found[1])], text)


def _note(unwanted: list[str], phrase: str) -> str:
    unwanted.append(phrase)
    return " "


def _tidy(text: str) -> str:
    text = re.sub(r"[(（]\s*[)）]", " ", text)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+(?=[,，。;；])", "", text)
    return text.strip(" ,，。;；、-").removeprefix("的").removesuffix("的")


# ── English ───────────────────────────────────────────────────────────────────────────────────────


def _take_english(text: str, unwanted: list[str]) -> str:
    found = _ENGLISH.search(text)
    if found is None:
        return text
    before, rest = text[: found.start()], found["rest"]
    end = _BOUNDARY.search(rest)
    clause, after = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    phrases, left = _phrases(clause, found, at_start=not before.strip())
    if not phrases:
        return before + found[0][: -len(rest)] + _take_english(rest, unwanted)
    unwanted += phrases
    after = re.sub(r"^\s*,", " ", after) if not before.strip() else after
    return f"{before} {left} {_take_english(after, unwanted)}"


def _phrases(clause: str, found: re.Match[str], *, at_start: bool) -> tuple[list[str], str]:
    """What is not wanted in the clause after the word of negation, and what follows it."""
    parts = [part.strip() for part in _JOINED.split(clause) if part.strip()]
    phrases: list[str] = []
    for place, part in enumerate(parts):
        words = re.sub(rf"^{_ARTICLE}|^(?:no|not)\s+", "", part, flags=re.IGNORECASE).split()
        most = _length(words, found, at_start=at_start)
        phrases.append(" ".join(words[:most]))
        if len(words) > most:
            rest = [" ".join(words[most:]), *parts[place + 1 :]]
            return phrases, " and ".join(rest)
    return phrases, ""


def _length(words: list[str], found: re.Match[str], *, at_start: bool) -> int:
    """How many of these words belong to what is not wanted."""
    if found["non"]:
        return 1
    if found["not"]:
        return 1 if len(words) > 1 and _names_colour(words[0]) else min(len(words), _MOST_WORDS)
    if found["no"] and at_start and len(words) > 1:
        # "no logo t-shirt" wants a t-shirt; "no long sleeves" wants nothing that is said.
        first = 0
        while first < len(words) - 1 and (words[first].lower() in _QUALIFIER or _names_colour(words[first])):
            first += 1
        return first + 1
    return min(len(words), _MOST_WORDS)


def _names_colour(word: str) -> bool:
    return bool(colour_families(word))


# ── Chinese ───────────────────────────────────────────────────────────────────────────────────────


def _take_chinese(text: str, unwanted: list[str]) -> str:
    place = 0
    while found := _CHINESE.search(text, place):
        taken, left = _chinese_parts(found)
        if not taken:
            place = found.start() + 1
            continue
        unwanted += taken
        text = f"{text[: found.start()]} {left} {text[found.end() :]}"
        place = found.start()
    return text


def _chinese_parts(found: re.Match[str]) -> tuple[list[str], str]:
    """What is not wanted, and what of the match is wanted after all: 不要logo的T恤 → logo, T恤."""
    if found["except"]:
        return _JOINED_ZH.split(found["except"]), ""
    if found["lacking"]:
        return [found["lacking"]], ""
    if found["being"]:
        return [found["being"]], ""
    phrase, rest = _parted(found["wanting"].strip())
    parts = [re.sub("^(?:任何|有|带)", "", part.strip()) for part in _JOINED_ZH.split(phrase)]
    return [part for part in parts if part], rest


def _parted(clause: str) -> tuple[str, str]:
    """Before and after the particle or space that ends what is not wanted."""
    found = _OF.search(clause)
    return (clause[: found.start()], clause[found.end() :]) if found else (clause, "")
