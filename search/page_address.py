"""The address of a search, and the addresses of searches that differ from it in one thing."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import QueryDict

OF_ONE_PAGE = ("after", "csrfmiddlewaretoken")
SHOWN_IN_BOX = ("q", "like", "picture")
OF_ONE_ANSWER = ("group", "literal", "far")


class Address:
    """The part behind "?"; another search begins on its first page."""

    def __init__(self, query: QueryDict) -> None:
        self._query = query.copy()
        for name in OF_ONE_PAGE:
            self._query.pop(name, None)

    def __str__(self) -> str:
        return f"?{self._query.urlencode()}"

    def also(self, name: str, value: str) -> Address:
        """With this value beside what the parameter has."""
        changed = Address(self._query)
        changed._query.appendlist(name, value)
        return changed

    def without(self, name: str, value: str) -> Address:
        """Without this value of the parameter."""
        changed = Address(self._query)
        changed._query.setlist(name, [kept for kept in self._query.getlist(name) if kept != value])
        return changed

    def without_named(self, name: str, value: str) -> Address:
        """Without this value, whatever weight stands behind it."""
        changed = Address(self._query)
        rest = [kept for kept in self._query.getlist(name) if kept.partition(":")[0] != value]
        changed._query.setlist(name, rest)
        return changed

    def set(self, name: str, value: str) -> Address:
        """With this value alone; an empty one takes the parameter away."""
        changed = Address(self._query)
        changed._query.setlist(name, [value] if value else [])
        return changed

    @property
    def plain(self) -> Address:
        """The same question without any filter."""
        changed = Address(self._query)
        for name in list(changed._query):
            if name not in SHOWN_IN_BOX:
                del changed._query[name]
        return changed

    @property
    def literal(self) -> Address:
        return self.set("literal", "on")

    @property
    def far(self) -> Address:
        return self.set("far", "1")

    @property
    def apart(self) -> Address:
        return self.set("all", "1")

    @property
    def together(self) -> Address:
        return self.set("all", "")

    @property
    def ungrouped(self) -> Address:
        return self.set("group", "")

    def beside_box(self) -> Iterator[tuple[str, str]]:
        """What the box's form carries along unseen: filters, but nothing of this answer alone."""
        for name, value in self.pairs():
            if name not in SHOWN_IN_BOX and name not in OF_ONE_ANSWER:
                yield name, value

    def pairs(self) -> Iterator[tuple[str, str]]:
        """All parameters; of the values of one name in their order."""
        for name, values in self._query.lists():
            for value in values:
                yield name, str(value)
