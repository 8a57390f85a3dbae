"""Splits a sentence that describes one picture into slots, by rules, in English and Chinese.

A slot is a thing to look for: who is shown (character), what they wear, what they hold or have
with them, and where they are (scene).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CHARACTER_KINDS = ("character", "model")
WORN_KINDS = ("accessory", "garment")
HELD_KINDS = ("prop", "accessory", "product")
RIDDEN_KINDS = ("prop", "character", "other")
WITH_KINDS = ("accessory", "prop", "garment", "product")
SCENE_KINDS = ("scene",)


@dataclass(frozen=True)
class Slot:
    """One thing the sentence names: its role in the picture, its words, and the kinds to search."""

    role: str
    text: str
    kinds: tuple[str, ...]

    def role_of(self, kind: str) -> str:
        """The role of an asset of this kind that was chosen: worn things are told apart by what they are."""
        if self.role in ("character", "scene"):
            return self.role
        return kind if kind in ("garment", "accessory", "prop", "product") else self.role


_SLOTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "character": ("character", CHARACTER_KINDS),
    "dress": ("garment", WORN_KINDS),
    "adorn": ("accessory", WORN_KINDS),
    "hold": ("prop", HELD_KINDS),
    "ride": ("prop", RIDDEN_KINDS),
    "with": ("accessory", WITH_KINDS),
    "place": ("scene", SCENE_KINDS),
}


def split(sentence: str) -> list[Slot]:
    """The slots of a sentence, the character first; words without a connective are the character."""
    sentence = re.sub(r"\s+", " ", sentence).strip(" .!?。！？“”\"'")
    pieces = _chinese(sentence) if re.search(r"[\u3400-\u9fff]", sentence) else _english(sentence)
    pieces.sort(key=lambda piece: piece[0] != "character")
    slots = [Slot(_SLOTS[sense][0], text, _SLOTS[sense][1]) for sense, text in pieces if text]
    return list(dict.fromkeys(slots))


# --- Chinese -----------------------------------------------------------------------------------

_ZH_CONNECTIVE = re.compile(
    "(?P<adorn>(?:头)?戴着|佩戴着?|头戴|系着|围着|戴)"
    "|(?P<dress>(?:身)?穿着|身穿|身着|披着|脚踩|踩着|穿(?!越|过)|披(?!风|肩|萨|巾))"
    "|(?P<hold>(?:手)?拿着|手持|手握|握着|持着|举着|背着|抱着|提着|拎着|捧着|牵着|挥舞着|拿(?!铁|破仑))"
    "|(?P<ride>骑着|骑(?!士|手|兵))"
    "|(?P<with>带着|配着|配有|长着|有着)"
    "|(?P<place>(?:正)?(?:站|坐|躺|跪|走|跑|跳|飞|蹲|漫步|行走|奔跑|站立|身处|位)?(?<![现存实])[在于])"
)
_ZH_AND = re.compile("以及|还有|(?:和(?!服|平|尚|谐)|与|及|、|，|,|；|并且|并)")
_ZH_COUNT = re.compile(
    "^(?:一|两|二|三|四|几|这|那)[位个名只顶把件条双副枚根支套座片块辆匹身群对朵艘架棵本部台]"
)
_ZH_ASKED = re.compile("^(?:请|帮我|给我)*(?:画|生成|制作|创作)(?:一张|一幅)?")
_ZH_PLACE_END = re.compile(
    "(?:的)?(?:里面|里边|中间|之中|上面|前面|后面|旁边|里|中|上|下|前|后|旁|边|内|外)$"
)
_ZH_ADJECTIVE = re.compile(
    "(?:.*色|[红蓝绿黄黑白紫粉灰金银橙大小长短新旧高圆方]+|.*[闪发]光|美丽|漂亮|华丽|精致|可爱|古老|神秘"
    "|透明|木制|皮制|金属|巨大|厚厚|轻便|时尚|复古|优雅|温暖)$"
)


def _chinese(sentence: str) -> list[tuple[str, str]]:
    sentence = _ZH_ASKED.sub("", sentence)
    marks = list(_ZH_CONNECTIVE.finditer(sentence))
    ends = [mark.start() for mark in marks] + [len(sentence)]
    lead = sentence[: ends[0]]
    clauses = [
        (str(mark.lastgroup), sentence[mark.end() : end]) for mark, end in zip(marks, ends[1:], strict=True)
    ]
    if not _zh_clean(lead):
        lead, clauses = _zh_head(clauses)
    pieces = [("character", _zh_clean(part)) for part in _ZH_AND.split(lead)]
    for sense, text in clauses:
        parts = _ZH_AND.split(text)
        pieces += [(sense, _zh_clean(part, place=sense == "place")) for part in parts]
    return pieces


def _zh_head(clauses: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    """Find who is shown in “戴着…的X”: after a 的 that belongs to the clause, not to an adjective."""
    found: tuple[int, int] | None = None
    for index, (_sense, text) in enumerate(clauses):
        cut = text.rfind("的")
        while cut != -1 and _ZH_ADJECTIVE.fullmatch(_zh_clean(text[:cut])):
            cut = -1
        if cut != -1 and _zh_clean(text[cut + 1 :]):
            found = (index, cut)
    if found is None:
        cut = clauses[-1][1].rfind("的")
        if cut == -1:
            return "", clauses
        found = (len(clauses) - 1, cut)
    index, cut = found
    sense, text = clauses[index]
    return text[cut + 1 :], [*clauses[:index], (sense, text[:cut]), *clauses[index + 1 :]]


def _zh_clean(text: str, *, place: bool = False) -> str:
    text = text.strip(" ，,、；。的")
    text = _ZH_COUNT.sub("", text)
    return _ZH_PLACE_END.sub("", text).strip("的") if place and len(text) > 1 else text


# --- English -----------------------------------------------------------------------------------

_EN_CONNECTIVE = re.compile(
    r"\b(?:(?P<dress>wearing|dressed in|clad in)"
    r"|(?P<ride>riding)"
    r"|(?P<hold>holding|carrying|wielding|gripping|waving|playing|using|armed with|who holds)"
    r"|(?P<with>with|adorned with)"
    r"|(?P<place>in front of|next to|inside|beside|beneath|under|against|behind|near|on|at)"
    r"|(?P<within>in)"
    r"|(?P<also>and|plus))\b|(?P<comma>[,;])",
    re.IGNORECASE,
)
_EN_ASKED = re.compile(
    r"^(?:please )?(?:(?:draw|make|create|generate|show|paint)(?: me)? )?"
    r"(?:(?:an?|the) )?(?:(?:picture|photo|photograph|image|portrait|drawing) of )?",
    re.IGNORECASE,
)
_EN_ARTICLE = re.compile(
    r"^(?:(?:an?|the|his|her|their|its|some|one|two|three|both|pair of)\s+)+", re.IGNORECASE
)
_EN_POSE = re.compile(
    r"\s*\b(?:(?:who|that|which) (?:is|are)|(?:is|are)|standing|sitting|walking|running|posing|flying|dancing"
    r"|kneeling|lying|while|,)\s*$",
    re.IGNORECASE,
)
_EN_BODY = re.compile(r"^(?:head|hands?|arms?|shoulders?|back|neck|face|feet|foot|waist|wrist|ears?)$", re.I)
_EN_COLOUR = re.compile(
    r"^(?:red|blue|green|black|white|yellow|pink|purple|brown|gr[ea]y|gold|silver|orange)$", re.I
)
_EN_GARMENT = re.compile(
    r"\b(?:dress|gown|shirt|t-shirt|blouse|jacket|coat|suit|tuxedo|jeans|trousers|pants|shorts|skirt|robe"
    r"|armou?r|kimono|sari|uniform|sweater|jumper|hoodie|cardigan|vest|costume|boots?|shoes?|sneakers?|heels"
    r"|sandals?|hat|cap|cape|cloak|scarf|pyjamas|bikini|swimsuit|overalls|clothes|outfit)$",
    re.IGNORECASE,
)


def _english(sentence: str) -> list[tuple[str, str]]:
    sentence = _EN_ASKED.sub("", sentence)
    pieces: list[tuple[str, str]] = []
    sense, position = "character", 0
    for mark in [*_EN_CONNECTIVE.finditer(sentence), None]:
        text = _en_clean(sentence[position : mark.start() if mark else len(sentence)])
        if text and not (sense in ("place", "within") and _EN_BODY.match(text)):
            pieces.append((_en_sense(sense, text), text))
        if mark is None:
            break
        position = mark.end()
        sense = _en_next(str(mark.lastgroup), sense, pieces)
    return pieces


def _en_next(connective: str, sense: str, pieces: list[tuple[str, str]]) -> str:
    """What the words after a connective are: “and” and a comma go on as before."""
    if connective not in ("also", "comma"):
        return connective
    named = any(piece_sense == "character" for piece_sense, _text in pieces)
    if not named and connective == "comma":
        return "character"
    return pieces[-1][0] if pieces else sense


def _en_sense(sense: str, text: str) -> str:
    """“in a red dress” is worn, “in a forest” is a place; a worn crown is no garment."""
    cloth = bool(_EN_GARMENT.search(text) or _EN_COLOUR.match(text))
    if sense == "within":
        return "dress" if cloth else "place"
    return "adorn" if sense == "dress" and not cloth else sense


def _en_clean(text: str) -> str:
    previous = ""
    while text != previous:
        previous, text = text, _EN_POSE.sub("", text.strip(" ,;"))
    return _EN_ARTICLE.sub("", text).strip()
