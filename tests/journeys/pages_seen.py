"""What is wrong with a page that is open in a browser: accessibility, errors, overflow, shifts, language."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import files
from pathlib import Path
from typing import Any

import django
import unfold
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, Response

PATIENCE_MS = 30_000
# WCAG 2.2, levels A and AA, by the names that axe-core gives to its rules.
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SHIFT_AT_MOST = 0.1
TRANSLATED = re.compile(r"""{% trans(?:late)? (["'])(.+?)\1""")
LETTERS = re.compile(r"[A-Za-z]{2}")

_WATCH_SHIFTS = """
window.shifted = 0;
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    window.shifted += entry.value;
    for (const source of entry.sources) {
      const words = source.node?.outerHTML ?? source.node?.textContent ?? "";
      window.shifts.push(words.replace(/\\s+/g, " ").slice(0, 120));
    }
  }
}).observe({ type: "layout-shift", buffered: true });
"""
_RUN_AXE = """
async (tags) => {
  const { violations } = await axe.run(document, {
    runOnly: { type: "tag", values: tags }, resultTypes: ["violations"], elementRef: false, preload: false,
  });
  return violations.map(({ id, nodes }) => [id, nodes.map((node) => [
    node.html.replace(/\\s+/g, " ").slice(0, 200),
    node.any.concat(node.all, node.none).map((check) => check.message).join(" ").slice(0, 240)])]);
}
"""
_OVERFLOW = """
() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.body.querySelectorAll("*")]
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .slice(0, 4)
    .map((element) => element.outerHTML.replace(/\\s+/g, " ").slice(0, 120));
}
"""
# What people read or hear: the text that is shown, and the words that name what has none.
_WORDS = """
() => {
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement;
    if (parent.closest("script, style, code, pre, kbd, .material-symbols-outlined, [lang=en]")) continue;
    found.push(texts.currentNode.textContent.trim().replace(/\\s+/g, " "));
  }
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder]")) {
    if (element.closest("[lang=en]")) continue;
    for (const name of ["aria-label", "title", "placeholder"]) {
      if (element.hasAttribute(name)) found.push(element.getAttribute(name).trim());
    }
  }
  found.push(document.title.split("|")[0].trim());
  return [...new Set(found)];
}
"""


@dataclass(frozen=True)
class Look:
    """A width (in CSS pixels), a theme and a language that pages are looked at in."""

    width: int
    theme: str
    language: str

    def __str__(self) -> str:
        return f"{self.width} {self.theme} {self.language}"


@cache
def axe() -> str:
    """axe-core's own script, from the package that carries it."""
    (script,) = (file for file in files("axe-playwright-python") or () if file.name == "axe.min.js")
    return Path(str(script.locate())).read_text(encoding="utf-8")


@cache
def english() -> frozenset[str]:
    """The sentences of Atelier, Django and Unfold, but for those that are the same in Chinese."""
    root = Path(django.__file__).parent
    folders = [root / "conf", root / "contrib" / "admin", root / "contrib" / "auth"]
    said = _sentences(settings.LOCALE_PATHS[0])
    for folder in folders:
        said |= _sentences(folder / "locale")
    # Unfold brings no catalogue: its sentences stand in its templates.
    for template in Path(unfold.__file__).parent.glob("templates/**/*.html"):
        said |= {key: "" for _quote, key in TRANSLATED.findall(template.read_text(encoding="utf-8"))}
    return frozenset(words for words, chinese in said.items() if LETTERS.search(words) and words != chinese)


def _sentences(folder: Path) -> dict[str, str]:
    """The English of this catalogue and its Chinese."""
    catalogue = gettext.translation("django", folder, ["zh_Hans"])._catalog  # type: ignore[attr-defined]
    said = {}
    for key, chinese in catalogue.items():
        sentence = key[0] if isinstance(key, tuple) else key
        said[sentence.rpartition("\x04")[2]] = chinese
    return said


@dataclass
class Visitor:
    """Somebody with a browser of this look, signed in by the cookies; `problems` are those met so far.

    `contents` are words of the library, which may be in any language.
    """

    browser: Browser
    look: Look
    cookies: list[dict[str, Any]]
    contents: frozenset[str]
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context: BrowserContext = self.browser.new_context(
            locale={"en": "en-GB", "zh": "zh-CN"}[self.look.language],
            color_scheme=self.look.theme,
            viewport={"width": self.look.width, "height": 900},
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(_WATCH_SHIFTS)
        self.context.add_cookies(self.cookies)
        self.page: Page = self.context.new_page()
        self._met: list[str] = []
        self._under_way = 0
        self.page.on("console", self._note_message)
        self.page.on("pageerror", self._note_exception)
        self.page.on("response", self._note_answer)
        self.page.on("requestfailed", self._note_failure)
        self.page.on("request", lambda _request: self._count(1))
        self.page.on("requestfinished", lambda _request: self._count(-1))
        self.page.on("requestfailed", lambda _request: self._count(-1))

    def open(self, name: str, address: str) -> None:
        """Open the page and note what is wrong with it."""
        self._met.clear()
        self._under_way = 0
        self._address = address
        self.page.goto(address, wait_until="load")
        self._settle()
        found = [*self._met, *self._violations(), *self._of_layout()]
        if self.look.language == "zh":
            found += self._in_english()
        self.problems += [f"{name} [{self.look}] {problem}" for problem in found]

    def close(self) -> None:
        self.context.close()

    def _settle(self) -> None:
        """Wait for what the page asks for once it is there; one that asks for ever is looked at as it is."""
        self.page.evaluate("document.fonts.ready.then(() => true)")
        for _ in range(40):
            self.page.wait_for_timeout(50)
            if self._under_way <= 0:
                return

    def _count(self, more: int) -> None:
        self._under_way += more

    def _violations(self) -> Iterator[str]:
        self.page.evaluate(axe())
        for rule, nodes in self.page.evaluate(_RUN_AXE, STANDARD):
            for html, message in nodes:
                yield f"{rule}: {html} — {message}"

    def _of_layout(self) -> Iterator[str]:
        for element in self.page.evaluate(_OVERFLOW):
            yield f"overflow: {element}"
        shifted = self.page.evaluate("window.shifted")
        if shifted >= SHIFT_AT_MOST:
            yield f"shift: {shifted:.3f}: {self.page.evaluate('window.shifts')}"

    def _in_english(self) -> Iterator[str]:
        for words in self.page.evaluate(_WORDS):
            if words in english() and words not in self.contents:
                yield f"english: “{words}”"

    def _note_message(self, message: ConsoleMessage) -> None:
        # That the page itself is refused, as a locked one is, the browser says too.
        if message.type == "error" and message.location["url"] != self._address:
            self._met.append(f"console: {message.text}")

    def _note_exception(self, error: Error) -> None:
        self._met.append(f"exception: {error}")

    def _note_answer(self, answer: Response) -> None:
        if answer.status >= 400 and answer.url != self._address:
            self._met.append(f"request: {answer.url} gave {answer.status}")

    def _note_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what leaving the page before cut off
            self._met.append(f"request: {request.url} failed: {request.failure}")
