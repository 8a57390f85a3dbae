"""Prompt templates with typed slots, in both languages, and the titles of what is made.

What comes with Atelier is here, one template per kind of job and the recipes for edits; what a studio writes
itself is kept by `generation.templates`. Raise VERSION with every change here: each job keeps the version
that its prompts were rendered with.

The texts follow the vendors' published advice:
- OpenAI, “GPT Image Generation Models Prompting Guide” (openai-cookbook, examples/multimodal/
  image-gen-models-prompting-guide.ipynb, §2): scene, subject, details, constraints in one order and in short
  labelled lines; each input by index and description, and what happens between them; “photorealistic” in
  so many words; framing, viewpoint and light; for people “full body visible, feet included”; for edits
  “change only X” and “keep everything else the same”.
- Google, “How to prompt Gemini 2.5 Flash Image Generation for the best results” (Google Developers Blog):
  describe the scene instead of listing keywords, speak of lens and light as a photographer does, and say
  what is to be there instead of what is not (“semantic negative prompts”).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from string import Formatter

from django.utils.translation import gettext as _

from dam.languages import in_language
from generation.brevity import fitted

VERSION = "2026-11-26.2"
LANGUAGES = ("en", "zh")
LONGEST_WORDS = 500
LONGEST_LABEL = 80
BRACKETS = "()[]{}<>（）［］【】｛｝＜＞"
# What each template is given anyway; whatever else it names in braces is a slot of its own.
GIVEN = frozenset(("pictures", "accessory", "sentence", "instruction"))


class TemplateError(ValueError):
    """A template, or what is written into its slots, is wrong; the message is a sentence."""


class SlotType(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    COLOUR = "colour"
    NUMBER = "number"


@dataclass(frozen=True)
class Slot:
    """A place in a template that a person fills in: words, one of some choices, a colour or a number."""

    name: str
    type: SlotType = SlotType.TEXT
    label: str = ""
    label_zh: str = ""
    default: str = ""
    required: bool = True
    choices: tuple[str, ...] = ()

    @property
    def display_label(self) -> str:
        return in_language(self.label, self.label_zh) or self.name

    def value(self, given: str) -> str:
        """What goes into the prompt.

        Raises:
            TemplateError: it is missing, or not of this slot's type.
        """
        value = " ".join((given or self.default).split())
        if not value and self.required:
            raise TemplateError(_("Fill in “%(slot)s”.") % {"slot": self.display_label})
        if len(value) > LONGEST_WORDS:
            raise TemplateError(
                _("“%(slot)s” has %(count)s characters; at most %(most)s fit.")
                % {"slot": self.display_label, "count": len(value), "most": LONGEST_WORDS}
            )
        if value and (problem := self._problem(value)):
            raise TemplateError(problem)
        return value

    def _problem(self, value: str) -> str:
        named = {"slot": self.display_label, "value": value, "choices": ", ".join(self.choices)}
        match self.type:
            case SlotType.CHOICE if value not in self.choices:
                return _("“%(value)s” is no choice of “%(slot)s”. Choose one of: %(choices)s.") % named
            case SlotType.NUMBER if not re.fullmatch(r"-?\d{1,9}(\.\d{1,6})?", value):
                return _("“%(slot)s” is a number; “%(value)s” is none.") % named
            case SlotType.COLOUR if not re.fullmatch(r"#[0-9a-fA-F]{6}|[\w\s-]{1,40}", value):
                return _("“%(slot)s” is a colour by its name or as #RRGGBB; “%(value)s” is neither.") % named
        return ""


@dataclass(frozen=True)
class Template:
    """What a kind of job says to the provider.

    Attributes:
        key: what orders call it by; `version` tells this text from earlier and later ones of the same key.
        texts: by language. In braces: `pictures`, `accessory`, `sentence`, `instruction`, and its slots.
        summary: what an edit by recipe is called in its results' titles, by language.
        negative: what is not to be seen, by language.
        short: what a provider that takes few words is told instead, by language. In braces: `first` and
            `others` (what the pictures show), `sentence`, `instruction`, and its slots.
    """

    key: str
    version: str
    kind: str
    name: str
    name_zh: str
    texts: Mapping[str, str]
    slots: tuple[Slot, ...] = ()
    summary: Mapping[str, str] = field(default_factory=dict)
    negative: Mapping[str, str] = field(default_factory=dict)
    short: Mapping[str, str] = field(default_factory=dict)

    @property
    def display_name(self) -> str:
        return in_language(self.name, self.name_zh) or self.key

    @property
    def label(self) -> str:
        """The key with its version: what a job keeps."""
        return f"{self.key}@{self.version}"

    def takes_instruction(self) -> bool:
        """Whether a person says in their own words what is to be changed."""
        return any("{instruction}" in text for text in self.texts.values())

    def filled(self, given: Mapping[str, str]) -> dict[str, str]:
        """The value of each slot.

        Raises:
            TemplateError: one is missing, wrong or unknown.
        """
        known = {slot.name for slot in self.slots}
        if unknown := sorted(set(given) - known):
            raise TemplateError(
                _("The template “%(name)s” has no slot “%(slot)s”. Its slots: %(known)s.")
                % {
                    "name": self.display_name,
                    "slot": unknown[0],
                    "known": ", ".join(sorted(known)) or _("none"),
                }
            )
        return {slot.name: slot.value(given.get(slot.name, "")) for slot in self.slots}

    def summarised(self, values: Mapping[str, str], language: str) -> str:
        """“Background: a snowy forest”."""
        return self.summary.get(language, "").format_map(dict(values))


def names_in(text: str) -> set[str]:
    """What a text names in braces.

    Raises:
        TemplateError: a brace is open, or holds more than a name.
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise TemplateError(
            _("A brace is opened or closed alone. Write {{ or }} where a brace itself is meant.")
        ) from error
    names = set()
    for _text, name, specification, conversion in parts:
        if name is None:
            continue
        if specification or conversion or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise TemplateError(
                _("“{%(name)s}” is no name of a slot: small letters, digits and _ only.") % {"name": name}
            )
        names.add(name)
    return names


def _as_label(title: str) -> str:
    """The title in one line, without brackets and what nobody sees, cut where it is no title any more."""
    seen = "".join(
        " " if character.isspace() or character in BRACKETS else character
        for character in title
        if character.isprintable() or character.isspace()
    )
    words = " ".join(seen.split())
    return words if len(words) <= LONGEST_LABEL else words[:LONGEST_LABEL].rstrip() + "…"


@dataclass(frozen=True)
class NamedInput:
    """An input as a prompt names it; its number in the prompt is its place in the list.

    A title may come out of a stranger's file. In a prompt it is a label in brackets, and can be no more:
    it is one short line that closes no bracket.
    """

    role: str
    title: str
    title_zh: str

    def named(self, language: str) -> str:
        """The title in this language, or in the other one."""
        first, second = (self.title_zh, self.title) if language == "zh" else (self.title, self.title_zh)
        return first or second

    def labelled(self, language: str) -> str:
        """The title as a prompt may hold it."""
        return _as_label(self.named(language))


_ROLE_WORDS = {
    "en": {
        "model": "the model",
        "garment": "the garment",
        "accessory": "the accessory",
        "product": "the product",
        "character": "the character",
        "prop": "the object",
        "scene": "the scene",
        "reference": "the picture to edit",
    },
    "zh": {
        "model": "模特",
        "garment": "服装",
        "accessory": "配饰",
        "product": "商品",
        "character": "人物",
        "prop": "道具",
        "scene": "场景",
        "reference": "待修改的图片",
    },
}
_STYLE_WORD = {"en": "a style reference", "zh": "风格参考"}

_OUTFITS = {
    "en": (
        "A photorealistic full-length fashion photograph for an online shop, made from these pictures:\n"
        "{pictures}\n"
        "Scene: an empty studio with a plain light backdrop and soft, diffuse light from the side.\n"
        "Subject: the person of the model's picture, alone, full body visible with the feet, seen at eye "
        "level through an 85 mm lens, wearing the garment{accessory}.\n"
        "Keep the same: the model's face, hair, skin, build and pose; the cut, length, colour, pattern, "
        "material and logo of everything worn, exactly as its picture shows them. It fits naturally, with "
        "real folds and shadows.\n"
        "The picture is clean: one person, a bare backdrop, no lettering, no watermark."
    ),
    "zh": (
        "请根据以下图片制作一张用于网店的写实全身时装照片：\n{pictures}\n"
        "场景：空旷的影棚，浅色纯净背景，侧面柔和的漫射光。\n"
        "主体：模特图中的人物独自入镜，全身可见（包括双脚），平视视角，85毫米镜头，穿上这件服装{accessory}。\n"
        "保持不变：模特的面容、发型、肤色、体型和姿势；所有穿戴物品的版型、长度、颜色、图案、材质和标志须与原图完全一致，"
        "合身自然，褶皱和阴影真实。\n"
        "画面干净：只有一人，背景空白，没有文字和水印。"
    ),
}
_SCENES = {
    "en": (
        "A photorealistic product photograph for an online shop, made from these pictures:\n"
        "{pictures}\n"
        "Scene: the place of the scene's picture, with its own light, time of day and depth of field.\n"
        "Subject: the product stands in it as if it had been photographed there: right scale and "
        "perspective, contact shadow and reflections, in focus and unobstructed.\n"
        "Keep the same: the product's shape, colour, material and label, exactly as its picture shows "
        "them.\n"
        "The picture is clean: no lettering but the product's own, no watermark."
    ),
    "zh": (
        "请根据以下图片制作一张用于网店的写实商品场景照片：\n{pictures}\n"
        "场景：场景图中的地点，保留其光线、时间和景深。\n"
        "主体：商品如同在该处实地拍摄：比例和透视正确，有接触阴影和反光，清晰对焦且无遮挡。\n"
        "保持不变：商品的形状、颜色、材质和标签须与原图完全一致。\n"
        "画面干净：除商品自带的文字外没有文字，没有水印。"
    ),
}
_COMPOSITION = {
    "en": (
        "One coherent picture of: {sentence}.\n"
        "Use these pictures:\n"
        "{pictures}\n"
        "Subject: the character appears once, with the same identity, style and proportions. What is worn "
        "sits naturally on the body, what is held lies in the hands; shapes and colours stay the same.\n"
        "One style and one light throughout. The picture is clean: no lettering, no watermark."
    ),
    "zh": (
        "请制作一张完整的图片：{sentence}。\n使用以下图片：\n{pictures}\n"
        "主体：人物只出现一次，保持其身份、风格和比例。穿戴的物品自然贴合身体，手持的物品握在手中，形状和颜色保持不变。\n"
        "全图风格和光线统一。画面干净：没有文字和水印。"
    ),
}
_EDIT_FRAME = {
    "en": (
        "Edit this picture:\n"
        "{pictures}\n"
        "Instruction: %s\n"
        "Change only that. Keep everything else the same: framing, camera angle, identity, colours, "
        "contrast and texture. The picture is clean: no added lettering, no watermark."
    ),
    "zh": (
        "请修改这张图片：\n{pictures}\n要求：%s\n"
        "只改动这一点，其余一切保持不变：构图、机位、人物身份、颜色、对比度和质感。画面干净：不添加文字和水印。"
    ),
}
_TRY_ON = {
    "en": (
        "A photorealistic picture of the person in Picture 1 trying clothes on, made from these pictures:\n"
        "{pictures}\n"
        "Replace only what the person wears by the garment{accessory}. Keep the same: face, hair, skin, "
        "build, pose, background and light; the cut, colour, pattern and material of the garment, exactly as "
        "its picture shows them, with real folds and shadows.\n"
        "The picture is clean: one person, no lettering, no watermark."
    ),
    "zh": (
        "请根据以下图片制作图1中人物试穿衣服的写实照片：\n{pictures}\n"
        "只把人物的穿着换成这件服装{accessory}。保持不变：面容、发型、肤色、体型、姿势、背景和光线；服装的版型、颜色、图案和材质"
        "须与原图完全一致，褶皱和阴影真实。\n"
        "画面干净：只有一人，没有文字和水印。"
    ),
}


_SHORT = {
    "outfits": {
        "en": "Full-length studio fashion photograph of {first} wearing {others}, plain light backdrop, soft "
        "light, photorealistic.",
        "zh": "{first}穿着{others}，影棚写实全身照。",
    },
    "scenes": {
        "en": "Photorealistic product photograph of {first} in {others}, true scale, contact shadow, sharp "
        "focus.",
        "zh": "{others}中的{first}，写实商品照片。",
    },
    "composition": {"en": "{sentence}, one coherent picture, one style, one light.", "zh": "{sentence}。"},
    "try_on": {
        "en": "Photorealistic photograph of a person wearing {others}, true colours, real folds and shadows.",
        "zh": "一个人穿着{others}，写实照片。",
    },
}


def _edit(
    key: str,
    name: tuple[str, str],
    words: tuple[str, str],
    short: tuple[str, str],
    summary: tuple[str, str],
    *slots: Slot,
) -> Template:
    english, chinese = words
    return Template(
        key,
        VERSION,
        "edit",
        *name,
        {"en": _EDIT_FRAME["en"] % english, "zh": _EDIT_FRAME["zh"] % chinese},
        slots,
        dict(zip(LANGUAGES, summary, strict=True)),
        short=dict(zip(LANGUAGES, short, strict=True)),
    )


def _whole(key: str, kind: str, name: tuple[str, str], texts: Mapping[str, str]) -> Template:
    return Template(key, VERSION, kind, *name, texts, short=_SHORT[kind])


BUILT_IN: dict[str, Template] = {
    template.key: template
    for template in (
        _whole("outfits", "outfits", ("Studio photograph", "影棚照片"), _OUTFITS),
        _whole("scenes", "scenes", ("Product in a scene", "商品场景"), _SCENES),
        _whole("composition", "composition", ("As the sentence says", "按句子描述"), _COMPOSITION),
        _edit(
            "edit",
            ("In my own words", "用自己的话"),
            ("{instruction}", "{instruction}"),
            ("{instruction}", "{instruction}"),
            ("", ""),
        ),
        _edit(
            "background",
            ("Another background", "更换背景"),
            (
                "Replace the background by {background}. The light and the shadows on the subject match it, "
                "and its outline stays sharp, hair included.",
                "把背景换成{background}。主体上的光线和阴影与新背景一致，轮廓（包括发丝）清晰。",
            ),
            (
                "{first}, in the background {background}, matching light and shadows, sharp outline.",
                "{first}，背景为{background}。",
            ),
            ("background: {background}", "背景：{background}"),
            Slot("background", label="Background", label_zh="背景"),
        ),
        _edit(
            "hair",
            ("Another hair style", "更换发型"),
            (
                "Change the person's hair to {hair}. The hairline fits the head; the face stays the same.",
                "把人物的发型换成{hair}。发际线贴合头部，面容不变。",
            ),
            ("{first} with {hair}, the same face.", "{first}，发型为{hair}。"),
            ("hair: {hair}", "发型：{hair}"),
            Slot("hair", label="Hair style", label_zh="发型"),
        ),
        _edit(
            "accessory",
            ("Add accessories", "添加配饰"),
            (
                "The person of Picture 1 wears the accessory of Picture 2, in its true size, shape, "
                "colour and material. {how}",
                "图1中的人物戴上图2中的配饰，大小、形状、颜色和材质与原图一致。{how}",
            ),
            ("{first} wearing {others}, true to size. {how}", "{first}戴着{others}。{how}"),
            ("accessory", "配饰"),
            Slot("how", label="How it is worn", label_zh="佩戴方式", required=False),
        ),
        _whole("try-on", "try_on", ("Try-on", "试穿"), _TRY_ON),
    )
}
DEFAULTS = {
    "outfits": "outfits",
    "scenes": "scenes",
    "composition": "composition",
    "edit": "edit",
    "try_on": "try-on",
}
_SENTENCE_ENDS = ".。!！?？ "
_ACCESSORY = {"en": " and the accessory", "zh": "并戴上配饰"}
_NOTE = {
    "en": "\nThe last attempt was sent back with this note; follow it: {note}",
    "zh": "\n上一次的结果被退回，请按以下意见改正：{note}",
}
_STYLE = {
    "en": "\nStyle: {words}Take light, colours and mood from the style references, nothing that they show.",
    "zh": "\n风格：{words}光线、色彩和氛围取自风格参考图，但不要使用其中的内容。",
}
_STYLE_IN_WORDS = {"en": "\nStyle: {words}", "zh": "\n风格：{words}"}
_NEGATIVE = {"en": "\nThe picture is free of: {words}.", "zh": "\n画面中不出现：{words}。"}


@dataclass(frozen=True)
class Words:
    """What goes into the prompts of a plan beside its pictures.

    Attributes:
        slots: the values of the template's slots, as `Template.filled` gives them.
        style: the words of a style set; where pictures of it go in, the last `style_pictures` inputs.
        negative: what is not to be seen, for providers that have no place of their own for it.
    """

    sentence: str = ""
    instruction: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    style: str = ""
    style_pictures: int = 0
    negative: str = ""


def rendered(
    template: Template, inputs: Sequence[NamedInput], *, language: str, words: Words, tokens: int
) -> tuple[str, str]:
    """The prompt of one cell, and what is left out of it where the provider takes so few `tokens` (0: room
    enough).

    Raises:
        TemplateError: as `render`.
    """
    if tokens:
        return render_short(template, inputs, language=language, words=words, tokens=tokens)
    return render(template, inputs, language=language, words=words), ""


def render(template: Template, inputs: Sequence[NamedInput], *, language: str, words: Words) -> str:
    """The prompt of one cell.

    Raises:
        TemplateError: the template names something that is neither given nor one of its slots.
    """
    accessory = any(given.role == "accessory" for given in inputs)
    own = len(inputs) - words.style_pictures
    values = {
        **words.slots,
        "pictures": "\n".join(
            _picture_line(number, given, language, number > own) for number, given in enumerate(inputs, 1)
        ),
        "accessory": _ACCESSORY[language] if accessory else "",
        "sentence": words.sentence,
        "instruction": words.instruction,
    }
    try:
        prompt = template.texts[language].format_map(values)
    except KeyError as error:
        raise TemplateError(
            _("The template “%(name)s” has no slot “%(slot)s”. Its slots: %(known)s.")
            % {"name": template.display_name, "slot": error.args[0], "known": ", ".join(words.slots)}
        ) from error
    return prompt + _ending(words, language)


def _ending(words: Words, language: str) -> str:
    style = _STYLE if words.style_pictures else _STYLE_IN_WORDS
    said = words.style.rstrip(".。 ") + (". " if language == "en" else "。") if words.style else ""
    ending = style[language].format(words=said).rstrip() if said or words.style_pictures else ""
    return ending + (_NEGATIVE[language].format(words=words.negative) if words.negative else "")


def render_short(
    template: Template, inputs: Sequence[NamedInput], *, language: str, words: Words, tokens: int
) -> tuple[str, str]:
    """The prompt of one cell for a provider that takes so few tokens, and what is left out of it.

    The template's short words, or its text as far as it fits.

    Raises:
        TemplateError: as `render`.
    """
    if not template.short:
        return fitted(render(template, inputs, language=language, words=words), tokens)
    shown = [given.labelled(language) or _ROLE_WORDS[language][given.role] for given in inputs]
    first, *others = shown[: len(inputs) - words.style_pictures]
    said = template.short[language].format_map(
        {
            **words.slots,
            "first": first,
            "others": ("、" if language == "zh" else ", ").join(others),
            "sentence": words.sentence,
            "instruction": words.instruction,
        }
    )
    return fitted(said.strip() + _ending(replace(words, style_pictures=0), language), tokens)


def with_note(prompt: str, note: str, *, language: str, tokens: int = 0) -> tuple[str, str]:
    """The prompt of a picture that a reviewer sent back, and what is left out of it.

    Where the provider takes few `tokens`, the note comes first, so that it is heard.
    """
    if not note or not tokens:
        return prompt + (_NOTE[language].format(note=note) if note else ""), ""
    end = "。" if language == "zh" else "."
    return fitted(f"{note.rstrip(_SENTENCE_ENDS)}{end} {prompt}", tokens)


@lru_cache(maxsize=4096)
def _picture_line(number: int, given: NamedInput, language: str, is_style: bool) -> str:
    word = _STYLE_WORD[language] if is_style else _ROLE_WORDS[language][given.role]
    name = given.labelled(language)
    if language == "zh":
        return f"图{number}：{word}" + (f"（{name}）" if name else "")
    return f"Picture {number}: {word}" + (f" ({name})" if name else "")


def titles(
    kind: str, inputs: Sequence[NamedInput], *, sentence: str = "", instruction: str = ""
) -> dict[str, str]:
    """What the result is called in each language."""
    if kind != "edit":  # there a reference is the picture itself, elsewhere one that gives the style
        inputs = [given for given in inputs if given.role != "reference"]
    return {language: _title(kind, inputs, language, sentence, instruction)[:255] for language in LANGUAGES}


def _title(kind: str, inputs: Sequence[NamedInput], language: str, sentence: str, instruction: str) -> str:
    chinese = language == "zh"
    names = [given.named(language) for given in inputs if given.named(language)]
    if not names:
        return sentence or instruction
    first, rest = names[0], ("、" if chinese else ", ").join(names[1:])
    if kind == "edit":
        said = instruction or rest
        return f"{first}：{said}" if chinese else f"{first}: {said}"
    if not rest:
        return first
    if kind == "scenes":
        return f"{first}，{rest}场景" if chinese else f"{first} in {rest}"
    if kind == "outfits":
        return f"{first}搭配{rest}" if chinese else f"{first} wearing {rest}"
    return _composition_title(inputs, first, language)


def _composition_title(inputs: Sequence[NamedInput], first: str, language: str) -> str:
    chinese = language == "zh"
    comma = "、" if chinese else ", "
    things = comma.join(given.named(language) for given in inputs[1:] if given.role != "scene")
    scenes = comma.join(given.named(language) for given in inputs[1:] if given.role == "scene")
    title = first
    if things:
        title += f"与{things}" if chinese else f" with {things}"
    if scenes:
        title += f"，{scenes}场景" if chinese else f" in {scenes}"
    return title
