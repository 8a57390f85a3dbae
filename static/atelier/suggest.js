// Suggestions while typing, as an ARIA combobox with a list: an input with data-suggest (the address that is
// asked) in a form. Arrows move, Enter takes, Escape closes; without this script it is a plain search field.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("input[data-suggest]").forEach((input, number) => new Suggestions(input, `suggestions-${number}`));
});

class Suggestions {
  constructor(input, id) {
    this.input = input;
    this.known = new Map();
    this.active = -1;
    this.list = Object.assign(document.createElement("ul"), { id, className: "at-suggest", hidden: true });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", input.dataset.suggestLabel);
    this.status = Object.assign(document.createElement("span"), { className: "at-hidden" });
    this.status.setAttribute("role", "status");
    input.form.classList.add("at-suggesting");
    input.form.append(this.list, this.status);
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-controls": id, "aria-expanded": "false",
    })) input.setAttribute(name, value);
    this.listen();
  }

  listen() {
    this.input.addEventListener("input", (event) => {
      clearTimeout(this.timer);
      if (!event.isComposing) this.timer = setTimeout(() => this.ask(), 120);
    });
    this.input.addEventListener("compositionend", () => this.ask());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
    this.list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.take(option);
    });
  }

  async ask() {
    const typed = this.input.value.trim();
    this.asking?.abort();
    if (!typed || typed.length > 80) return this.close();
    if (!this.known.has(typed)) {
      this.asking = new AbortController();
      try {
        const answer = await fetch(`${this.input.dataset.suggest}?q=${encodeURIComponent(typed)}`, { signal: this.asking.signal });
        if (!answer.ok) return this.close();
        this.known.set(typed, (await answer.json()).suggestions);
      } catch {
        return; // overtaken by the next letter, or no connection: the field works without
      }
    }
    if (typed === this.input.value.trim() && document.activeElement === this.input) this.show(this.known.get(typed));
  }

  show(suggestions) {
    this.list.replaceChildren(...suggestions.map((suggestion, place) => this.option(suggestion, place)));
    this.move(-1);
    this.open(suggestions.length > 0);
    this.status.textContent = this.input.dataset.suggestCount.replace("%s", suggestions.length);
  }

  option(suggestion, place) {
    const option = Object.assign(document.createElement("li"), { id: `${this.list.id}-${place}`, className: "at-suggest__one" });
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    option.dataset.text = suggestion.text;
    if (suggestion.collection) option.dataset.collection = suggestion.collection;
    const part = (name, text) => {
      const span = Object.assign(document.createElement("span"), { className: `at-suggest__${name}`, textContent: text });
      option.append(span, " ");
    };
    part("text", suggestion.text);
    if (suggestion.detail) part("detail", suggestion.detail);
    part("kind", suggestion.label);
    if (suggestion.count !== null) part("count", suggestion.count.toLocaleString(document.documentElement.lang || undefined));
    return option;
  }

  key(event) {
    if (event.isComposing) return;
    const isOpen = !this.list.hidden;
    if (event.key === "ArrowDown" && event.altKey && !isOpen) {
      event.preventDefault();
      event.stopPropagation();
      this.ask();
    } else if (isOpen && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      event.stopPropagation(); // the page has its own use for arrows
      const all = this.list.children.length + 1; // and the field itself
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.move(((this.active + 1 + step + all) % all) - 1);
    } else if (isOpen && event.key === "Enter" && this.active >= 0) {
      event.preventDefault();
      this.take(this.list.children[this.active]);
    } else if (isOpen && event.key === "Escape") {
      event.preventDefault(); // the browser would empty the field
      event.stopPropagation();
      this.close();
    }
  }

  move(place) {
    this.active = place;
    [...this.list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === place)));
    const option = this.list.children[place];
    if (option) {
      this.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  take(option) {
    this.close();
    if (option.dataset.collection && this.input.dataset.suggestCollection) {
      window.location.href = this.input.dataset.suggestCollection + option.dataset.collection;
      return;
    }
    this.input.value = option.dataset.text;
    this.input.form.requestSubmit();
  }

  open(yes) {
    this.list.hidden = !yes;
    this.input.setAttribute("aria-expanded", String(yes));
  }

  close() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.move(-1);
    this.open(false);
  }
}
