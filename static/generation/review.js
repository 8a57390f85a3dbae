// Reviewing by keyboard and in bulk, without leaving the page. Without this script the form's buttons
// do the same, one page load a verdict, without notes.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("review");
  if (form) new ReviewPage(form);
});

class ReviewPage {
  constructor(form) {
    this.form = form;
    this.text = form.dataset;
    this.all = form.querySelector("[data-all]");
    this.problem = form.querySelector("[data-problem]");
    this.dialog = document.getElementById("note");
    this.note = document.getElementById("note-text");
    this.undo = document.querySelector("[data-undo]");
    this.listen();
    this.count();
  }

  listen() {
    document.addEventListener("keydown", (event) => this.key(event));
    this.form.addEventListener("click", (event) => this.click(event));
    this.form.addEventListener("change", (event) => this.tick(event));
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.note.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.dialog.close("send");
      }
    });
    this.dialog.addEventListener("close", () => {
      if (this.dialog.returnValue === "send") this.send(this.asked, this.items, this.note.value);
      else this.items[0]?.focus();
    });
  }

  results() {
    return [...this.form.querySelectorAll("[data-item]")];
  }

  chosen() {
    return this.results().filter((result) => result.querySelector("[name=items]").checked);
  }

  current() {
    return document.activeElement?.closest("[data-item]");
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.dialog.open) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    const deeds = {
      j: () => this.move(1),
      ArrowRight: () => this.move(1),
      ArrowDown: () => this.move(1),
      k: () => this.move(-1),
      ArrowLeft: () => this.move(-1),
      ArrowUp: () => this.move(-1),
      a: () => this.judge("approve"),
      r: () => this.judge("reject"),
      g: () => this.judge("regenerate"),
      x: () => this.current()?.querySelector("[name=items]").click(),
      e: () => this.go("edit"),
      u: () => this.undo.hidden || this.undo.requestSubmit(),
      n: () => this.page("next"),
      p: () => this.page("prev"),
    };
    // On a link or a button Enter presses that.
    if (event.target.matches("[data-item]")) deeds.Enter = () => this.go("look");
    const deed = deeds[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!deed) return;
    event.preventDefault();
    deed();
  }

  move(step) {
    const results = this.results();
    const at = results.indexOf(this.current());
    const next = results[at === -1 ? 0 : Math.min(results.length - 1, Math.max(0, at + step))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  click(event) {
    const button = event.target.closest("button[data-verdict], button[data-bulk]");
    if (!button) return;
    event.preventDefault();
    if (button.dataset.bulk) this.decide(button.dataset.bulk, this.chosen());
    else this.decide(button.dataset.verdict, [button.closest("[data-item]")]);
  }

  tick(event) {
    if (event.target === this.all) {
      for (const result of this.results()) result.querySelector("[name=items]").checked = this.all.checked;
    }
    this.count();
  }

  count() {
    const chosen = this.chosen().length;
    this.form.querySelector("[data-chosen]").textContent = chosen;
    this.form.querySelector("[data-chosen-words]").hidden = chosen === 0;
    this.all.checked = chosen > 0 && chosen === this.results().length;
    this.all.indeterminate = chosen > 0 && !this.all.checked;
    for (const button of this.form.querySelectorAll("[data-bulk]")) button.disabled = chosen === 0;
  }

  page(which) {
    document.querySelector(`.st-pages [rel=${which}]`)?.click();
  }

  // To the page of the result that has the focus: "look" or "edit".
  go(where) {
    const current = this.current();
    if (current) window.location.assign(current.dataset[where]);
  }

  // A key judges what is chosen, or the result that has the focus.
  judge(verdict) {
    const chosen = this.chosen();
    const current = this.current();
    if (chosen.length) this.decide(verdict, chosen);
    else if (current) this.decide(verdict, [current]);
    else this.move(1);
  }

  decide(verdict, items) {
    if (!items.length) return;
    if (verdict === "approve") return this.send(verdict, items, "");
    this.asked = verdict;
    this.items = items;
    const words = verdict === "reject" ? this.text.textReject : this.text.textRegenerate;
    const help = verdict === "reject" ? this.text.textRejectHelp : this.text.textRegenerateHelp;
    document.getElementById("note-title").textContent = words;
    this.dialog.querySelector("[data-send]").textContent = words;
    this.dialog.querySelector("[data-help]").textContent = help;
    this.note.value = "";
    this.dialog.returnValue = "";
    this.dialog.showModal();
    this.note.focus();
  }

  async send(verdict, items, note) {
    const body = new FormData();
    body.set("csrfmiddlewaretoken", this.form.querySelector("[name=csrfmiddlewaretoken]").value);
    body.set("verdict", verdict);
    body.set("note", note);
    for (const name of ["job", "sku_role"]) {
      const field = this.form.querySelector(`[name=${name}]`);
      if (field) body.set(name, field.value);
    }
    for (const item of items) {
      body.append("items", item.dataset.item);
      item.classList.add("st-result--going");
    }
    this.problem.hidden = true;
    try {
      const answer = await fetch(this.form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.statusText);
      this.settle(await answer.json(), items);
    } catch {
      for (const item of items) item.classList.remove("st-result--going");
      this.complain(this.text.textFailed);
    }
  }

  settle(told, items) {
    const results = this.results();
    const next = results[results.indexOf(items.at(-1)) + 1] ?? results[results.indexOf(items[0]) - 1];
    const done = new Set(told.done);
    for (const item of items) {
      if (done.has(item.dataset.item)) item.remove();
      else item.classList.remove("st-result--going");
    }
    if (told.refused.length) this.complain(told.refused.map((refusal) => refusal.reason).join(" "));
    this.tell(told);
    this.count();
    this.moveUp();
    if (!this.results().length) window.location.reload();
    else (next ?? this.results()[0]).focus();
  }

  // What was judged has left the queue: the next page begins so many earlier.
  moveUp() {
    const next = document.querySelector(".st-pages [rel=next]");
    if (!next) return;
    const address = new URL(next.href);
    address.searchParams.set("from", Number(next.dataset.start) + this.results().length);
    next.href = address;
  }

  tell({ waiting, last }) {
    const shelf = document.querySelector('[data-shelf="waiting"]');
    shelf.textContent = waiting.toLocaleString();
    if (shelf.closest("[aria-current]")) this.form.querySelector("[data-waiting]").textContent = waiting.toLocaleString();
    this.undo.hidden = !last;
    if (!last) return;
    this.undo.querySelector("[name=deed]").value = last.deed;
    this.undo.querySelector("[data-undo-words]").textContent = last.words;
  }

  complain(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = false;
  }
}
