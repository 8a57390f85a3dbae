"""Why a file, or a whole archive, was not taken into the library, or cannot be had from its storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.utils.functional import Promise


class IngestError(Exception):
    """A file that was refused; `str()` is one sentence that says what is wrong and what to do.

    The sentence stays lazy, since a worker thread may raise what a page shows in its reader's language.

    Attributes:
        code: "empty", "too_large", "too_many_pixels", "not_a_picture", "broken", "unsupported",
            "too_costly", "crash", "unreadable" or "storage".
    """

    def __init__(self, code: str, sentence: str | Promise, **values: Any) -> None:
        super().__init__(code, sentence, values)
        self.code = code
        self.sentence = sentence
        self.values = values

    def __str__(self) -> str:
        return str(self.sentence) % self.values


class Undecodable(Exception):
    """What a decoder does not read, as a word and values; `dam.refusals` has the sentence.

    It is what crosses from the process that decodes, which knows no languages.
    """

    def __init__(self, word: str, **values: int | str) -> None:
        super().__init__(word, values)
        self.word = word
        self.values = values


class ArchiveError(Exception):
    """An archive that is refused as a whole; `str()` says why and what to do."""


class EntryError(Exception):
    """One file of an archive that cannot be read or is refused; `str()` says why and what to do."""


class StorageUnavailable(OSError):
    """The file storage does not answer, or not in a way that can be trusted; `str()` says why."""
