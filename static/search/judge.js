// Judging by keyboard, without leaving the page. Without this script each button is a page load.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("judge");
  if (!form) return;
  const items = [...form.querySelectorAll("[data-item]")];
  const problem = document.querySelector("[data-problem]");
  const said = document.querySelector("[data-said]");

  function focus(item) {
    if (!item) return;
    for (const other of items) other.tabIndex = other === item ? 0 : -1;
    item.focus();
    item.scrollIntoView({ block: "nearest" });
  }

  function current() {
    return document.activeElement?.closest("[data-item]");
  }

  function move(step) {
    const at = items.indexOf(current());
    focus(at < 0 ? items[0] : items[Math.min(Math.max(at + step, 0), items.length - 1)]);
  }

  async function send(button) {
    const item = button.closest("[data-item]");
    const body = new FormData(form);
    body.set("judgement", button.value);
    try {
      const answer = await fetch(location.pathname, { method: "POST", body, headers: { "X-Requested-With": "fetch" } });
      if (!answer.ok) throw new Error(String(answer.status));
      show(item, (await answer.json()).grade);
      problem.hidden = true;
      said.textContent = `${item.getAttribute("aria-label")}: ${button.textContent.trim()}`;
      if (item === current()) move(1);
    } catch {
      problem.hidden = false;
    }
  }

  function show(item, grade) {
    item.className = grade === null ? "sq-item" : `sq-item sq-item--${grade}`;
    for (const button of item.querySelectorAll("[aria-pressed]")) {
      button.setAttribute("aria-pressed", String(button.value.endsWith(`:${grade}`)));
    }
    document.querySelector("[data-judged]").textContent = form.querySelectorAll("[aria-pressed=true]").length;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter) send(event.submitter);
  });
  form.addEventListener("focusin", (event) => {
    const item = event.target.closest("[data-item]");
    for (const other of items) other.tabIndex = other === item ? 0 : -1;
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    const key = event.key.toLowerCase();
    if (["j", "arrowright", "arrowdown"].includes(key)) move(1);
    else if (["k", "arrowleft", "arrowup"].includes(key)) move(-1);
    else if (["0", "1", "2", "3"].includes(key)) current()?.querySelector(`[data-key="${key}"]`)?.click();
    else if (key === "n" && form.dataset.next) location.assign(form.dataset.next);
    else return;
    event.preventDefault();
  });
});
