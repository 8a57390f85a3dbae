"""Words that mean the same in this library: kept by editors, told to the log, given and taken as a table."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from dam import audit
from dam.tables import TableError, read_table
from search.terms import touch
from search.word_models import Synonym

COLUMNS = ("en", "zh")
SEPARATOR = "|"
MOST_WORDS, LONGEST, MOST_GROUPS = 40, 80, 5_000


class SynonymProblem(Exception):
    """Nothing was changed; `str()` says what is wrong, where, and what to do."""


@dataclass
class Taken:
    """What a table changed: groups that are new, groups that got more words, rows that changed nothing."""

    created: int = 0
    extended: int = 0
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)


def cleaned(words: Iterable[str]) -> list[str]:
    """Each word once, without spaces around it; letters of another case are the same word."""
    found: dict[str, str] = {}
    for word in (" ".join(word.split()) for word in words):
        if word:
            found.setdefault(word.lower(), word)
    return list(found.values())


def problem_with(words: list[str], words_zh: list[str]) -> str:
    """Why these words are no group, as a sentence; empty where they are one."""
    both = [*words, *words_zh]
    if len({word.lower() for word in both}) < 2:
        return _("A group has at least two words.")
    if len(both) > MOST_WORDS:
        return _("A group has at most %(most)d words; make two of it.") % {"most": MOST_WORDS}
    if long := next((word for word in both if len(word) > LONGEST), ""):
        return _("“%(word)s…” is longer than %(most)d characters.") % {"word": long[:40], "most": LONGEST}
    return ""


@transaction.atomic
def save(group: Synonym, *, actor: User | None) -> None:
    """Create or update a group; searches know it within seconds.

    Raises:
        SynonymProblem: it has fewer than two words, too many, or one that is too long.
    """
    group.words, group.words_zh = cleaned(group.words), cleaned(group.words_zh)
    if problem := problem_with(group.words, group.words_zh):
        raise SynonymProblem(problem)
    action = "synonym.updated" if group.pk else "synonym.created"
    group.save()
    audit.record(actor, action, group, **_story(group))
    touch()


@transaction.atomic
def delete(group: Synonym, *, actor: User | None) -> None:
    """Its words stand each for itself again."""
    audit.record(actor, "synonym.deleted", group, **_story(group))
    group.delete()
    touch()


@transaction.atomic
def take(table: IO[bytes], *, actor: User | None) -> Taken:
    """Take in a table with the columns "en" and "zh", words with bars between them; one group a row.

    A row that shares a word with a group adds its other words to it; no word is taken away. A table with a
    row that is wrong changes nothing.

    Raises:
        SynonymProblem: it is no table, lacks both columns, or has more than 5,000 rows.
    """
    rows = _rows(table)
    taken = Taken(
        problems=[_("Row %(number)d: %(problem)s") % {"number": n, "problem": p} for n, _w, p in rows if p]
    )
    if taken.problems:
        return taken
    groups = list(Synonym.objects.select_for_update().order_by("pk"))
    by_word = {word.lower(): group for group in groups for word in (*group.words, *group.words_zh)}
    for _number, (words, words_zh), _problem in rows:
        _take_row(words, words_zh, by_word, taken, actor)
    return taken


def table() -> Iterator[list[str]]:
    """All groups as rows that `take` understands."""
    yield list(COLUMNS)
    for words, words_zh in Synonym.objects.order_by("pk").values_list("words", "words_zh").iterator():
        yield [SEPARATOR.join(words), SEPARATOR.join(words_zh)]


def _take_row(
    words: list[str], words_zh: list[str], by_word: dict[str, Synonym], taken: Taken, actor: User | None
) -> None:
    both = [*words, *words_zh]
    group = next((by_word[word.lower()] for word in both if word.lower() in by_word), None)
    if group is None:
        group = Synonym(words=words, words_zh=words_zh)
        taken.created += 1
    else:
        known = {word.lower() for word in (*group.words, *group.words_zh)}
        if known.issuperset(word.lower() for word in both):
            taken.unchanged += 1
            return
        group.words = cleaned([*group.words, *words])
        group.words_zh = cleaned([*group.words_zh, *words_zh])
        taken.extended += 1
    save(group, actor=actor)
    by_word.update({word.lower(): group for word in both})


def _rows(source: IO[bytes]) -> list[tuple[int, tuple[list[str], list[str]], str]]:
    """Number, words and what is wrong with them, of every row."""
    try:
        first, *rest = read_table(io.BytesIO(source.read()))
    except TableError as error:
        raise SynonymProblem(_("The table cannot be used. %(reason)s") % {"reason": error}) from error
    except ValueError as error:
        raise SynonymProblem(_("The table is empty. Its first line names the columns: en, zh.")) from error
    names = [cell.strip().lower() for cell in first.cells]
    if not set(COLUMNS).intersection(names):
        raise SynonymProblem(_("The table has neither a column “en” nor a column “zh”."))
    if len(rest) > MOST_GROUPS:
        raise SynonymProblem(_("The table has more than %(most)d rows. Split it.") % {"most": MOST_GROUPS})
    found = []
    for row in rest:
        cells = dict(zip(names, row.cells, strict=False))
        words, words_zh = (cleaned(_split(cells.get(name, ""))) for name in COLUMNS)
        found.append((row.number, (words, words_zh), row.problem or problem_with(words, words_zh)))
    return found


def _split(cell: str) -> list[str]:
    return cell.replace("｜", SEPARATOR).split(SEPARATOR)


def _story(group: Synonym) -> dict[str, object]:
    return {"words": group.words, "words_zh": group.words_zh}
