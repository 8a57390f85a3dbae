"""Prompt templates, one per kind of job and language, and the titles of what is made.

Raise VERSION with every change of a template: each item keeps the version it was rendered with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

VERSION = "2026-11-23"
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class NamedInput:
    """An input as a prompt names it; its number in the prompt is its place in the list."""

    role: str
    title: str
    title_zh: str

    def named(self, language: str) -> str:
        """The title in this language, or in the other one."""
        first, second = (self.title_zh, self.title) if language == "zh" else (self.title, self.title_zh)
        return first or second


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

_TEMPLATES = {
    "outfits": {
        "en": (
            "Make one photorealistic, full-length fashion photograph from these pictures:\n"
            "{pictures}\n"
            "The model wears the garment{accessory}. Keep the model's face, hair, skin, build and "
            "pose. Keep the cut, colour, pattern, material and logo of everything worn exactly as its "
            "picture shows them, with a natural fit, folds and shadows. Soft studio light, plain "
            "light background, the whole figure in the frame. One person, no text, no watermark."
        ),
        "zh": (
            "请根据以下图片制作一张写实的全身时装照片：\n{pictures}\n"
            "模特穿上这件服装{accessory}。保持模特的面容、发型、肤色、体型和姿势不变；所有穿戴物品的版型、颜色、图案、材质"
            "和标志须与原图完全一致，合身自然，褶皱和阴影真实。柔和的影棚光线，浅色纯净背景，人物全身入镜。"
            "画面中只有一人，不出现文字和水印。"
        ),
    },
    "scenes": {
        "en": (
            "Make one photorealistic product photograph from these pictures:\n"
            "{pictures}\n"
            "Place the product in the scene as if it had been photographed there: right scale and "
            "perspective, the scene's light, contact shadow and reflections. Keep the product's "
            "shape, colour, material and label exactly as its picture shows them, sharp and "
            "unobstructed. No text, no watermark."
        ),
        "zh": (
            "请根据以下图片制作一张写实的商品场景照片：\n{pictures}\n"
            "把商品放入该场景，如同实地拍摄：比例和透视正确，光线、接触阴影和反光与场景一致。商品的形状、颜色、材质和标签"
            "须与原图完全一致，清晰且无遮挡。不出现文字和水印。"
        ),
    },
    "composition": {
        "en": (
            "Make one coherent picture of: {sentence}.\n"
            "Use these pictures:\n"
            "{pictures}\n"
            "Show the character once and keep its identity, style and proportions. Worn things sit "
            "naturally on the body, held things in the hands; keep their shape and colour. One style "
            "and one light throughout. No text, no watermark."
        ),
        "zh": (
            "请制作一张完整的图片：{sentence}。\n使用以下图片：\n{pictures}\n"
            "人物只出现一次，保持其身份、风格和比例。穿戴的物品自然贴合身体，手持的物品握在手中，形状和颜色保持不变。"
            "全图风格和光线统一。不出现文字和水印。"
        ),
    },
    "edit": {
        "en": (
            "Edit this picture:\n"
            "{pictures}\n"
            "Instruction: {instruction}\n"
            "Change only what the instruction asks for; keep everything else, including framing, "
            "identity, colours and texture, exactly as it is. No text, no watermark."
        ),
        "zh": (
            "请修改这张图片：\n{pictures}\n要求：{instruction}\n"
            "只改动要求中提到的内容，构图、人物身份、颜色和质感等其余部分保持原样。不出现文字和水印。"
        ),
    },
}
_ACCESSORY = {"en": " and the accessory", "zh": "并戴上配饰"}
_NOTE = {
    "en": "\nThe last attempt was sent back with this note; follow it: {note}",
    "zh": "\n上一次的结果被退回，请按以下意见改正：{note}",
}


def render(
    kind: str, inputs: Sequence[NamedInput], *, language: str, sentence: str = "", instruction: str = ""
) -> str:
    """The prompt of one cell."""
    accessory = any(given.role == "accessory" for given in inputs)
    return _TEMPLATES[kind][language].format(
        pictures="\n".join(_picture_line(number, given, language) for number, given in enumerate(inputs, 1)),
        accessory=_ACCESSORY[language] if accessory else "",
        sentence=sentence,
        instruction=instruction,
    )


def with_note(prompt: str, note: str, *, language: str) -> str:
    """The prompt of a picture that a reviewer sent back."""
    return prompt + _NOTE[language].format(note=note) if note else prompt


def _picture_line(number: int, given: NamedInput, language: str) -> str:
    word = _ROLE_WORDS[language][given.role]
    name = given.named(language)
    if language == "zh":
        return f"图{number}：{word}" + (f"（{name}）" if name else "")
    return f"Picture {number}: {word}" + (f" ({name})" if name else "")


def titles(
    kind: str, inputs: Sequence[NamedInput], *, sentence: str = "", instruction: str = ""
) -> dict[str, str]:
    """What the result is called in each language."""
    return {language: _title(kind, inputs, language, sentence, instruction)[:255] for language in LANGUAGES}


def _title(kind: str, inputs: Sequence[NamedInput], language: str, sentence: str, instruction: str) -> str:
    chinese = language == "zh"
    names = [given.named(language) for given in inputs if given.named(language)]
    if not names:
        return sentence or instruction
    first, rest = names[0], ("、" if chinese else ", ").join(names[1:])
    if kind == "edit":
        return f"{first}：{instruction}" if chinese else f"{first}: {instruction}"
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
