"""What is a word at large, in English and in Chinese, whether or not the library has it.

Word lists come with packages that are installed anyway: WordNet's lemmas and definitions with timm, the
vocabulary of open_clip's tokenizer, pypinyin's phrases, and that of Qwen's tokenizer with dashscope. They are
read as files, so that no package is imported for them.
"""

from __future__ import annotations

import base64
import gzip
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_LATIN = re.compile(r"[a-z]+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]{2,}")
# Pieces at the end of a byte-pair vocabulary are rare enough to be parts of words or misspelt ones.
_TRUSTED_PIECES = 36_000
_SHORTEST_PIECE = 5
_SHORTEST_IN_E = 7
# Before “ed” and “ing” a short stem doubles its last letter: “running”, so “runing” is no word.
_UNDOUBLED = r"(?<!\b[^aeiou][aeiou][^aeiouwxy])"
_ENDINGS = (
    (r"ies$", "y"), (r"(?<=[sxz])es$", ""), (r"(?<=[cs]h)es$", ""), (r"(?<=[^aeiou]o)es$", ""), (r"s$", ""),
    (rf"{_UNDOUBLED}ed$", ""), (r"d$", ""), (rf"{_UNDOUBLED}ing$", ""), (r"ly$", ""),
)  # fmt: skip


def is_english(word: str) -> bool:
    """Whether it is an English word, a name of everyday, or one's plural or form; lower case."""
    return word in _common_english() or is_plain_english(word)


def is_plain_english(word: str) -> bool:
    """Whether WordNet knows it, or what it is a form of: no names, no slang; lower case."""
    words = _wordnet()
    if word in words:
        return True
    stems = (re.sub(ending, instead, word) for ending, instead in _ENDINGS)
    if any(stem in words or _undoubled(stem) in words for stem in stems if 2 < len(stem) < len(word)):
        return True
    # Not of short ones: “runing” is no form of “rune”.
    return len(word) > _SHORTEST_IN_E and re.sub("ing$", "e", word) in words


def is_chinese(word: str) -> bool:
    """Whether it is a common Chinese word."""
    return word in _common_chinese()


def _undoubled(stem: str) -> str:
    """running → runn → run"""
    return stem[:-1] if stem[-1] == stem[-2] else stem


def _file(package: str, *parts: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed; install what requirements.txt names.")
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


@cache
def _wordnet() -> frozenset[str]:
    words: set[str] = set()
    for name in ("imagenet_synset_to_lemma.txt", "imagenet_synset_to_definition.txt"):
        words.update(_LATIN.findall(_file("timm", "data", "_info", name).read_text("utf-8").lower()))
    return frozenset(words)


@cache
def _common_english() -> frozenset[str]:
    packed = _file("open_clip", "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode("utf-8").splitlines()[1:_TRUSTED_PIECES]
    whole = ("".join(merge.split()) for merge in merges if merge.endswith("</w>"))
    words = (word.removesuffix("</w>") for word in whole)
    return frozenset(word for word in words if len(word) >= _SHORTEST_PIECE and _LATIN.fullmatch(word))


@cache
def _common_chinese() -> frozenset[str]:
    from pypinyin.phrases_dict import phrases_dict  # takes a tenth of a second

    words = set(phrases_dict)
    for line in _file("dashscope", "resources", "qwen.tiktoken").read_bytes().splitlines():
        try:
            token = base64.b64decode(line.split()[0]).decode("utf-8")
        except UnicodeDecodeError:  # a part of a character
            continue
        if _CHINESE.fullmatch(token):
            words.add(token)
    return frozenset(words)
