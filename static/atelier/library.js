// The list of assets by keyboard: arrows move, Space selects, Shift takes a range, P shows a preview.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const list = document.querySelector(".at-library");
  const panel = document.getElementById("at-drawer");
  if (!list || !panel) return;
  const body = panel.querySelector(".at-drawer__body");
  const entries = [...list.querySelectorAll("tr")].filter((row) => row.querySelector(".action-select, a"))
    .filter((row) => row.closest("tbody"));
  let current = -1;
  let anchor = -1;
  let asked = null;
  let opener = null;

  const linkOf = (row) => row.querySelector(".at-card__link, th a, .field-picture a, a");
  const boxOf = (row) => row.querySelector("input.action-select");
  const panelOf = (row) => {
    if (row.dataset.panel) return row.dataset.panel;
    const box = boxOf(row);
    return box ? `${location.pathname}${box.value}/panel/` : "";
  };

  function check(row, on) {
    const box = boxOf(row);
    if (box && box.checked !== on) box.click(); // as a hand would: the admin counts the clicks
  }

  function moveTo(place, extend) {
    if (place < 0 || place >= entries.length) return;
    if (extend) {
      if (anchor < 0) anchor = Math.max(current, 0);
      const [low, high] = [Math.min(anchor, place), Math.max(anchor, place)];
      const [was, before] = [Math.min(anchor, current), Math.max(anchor, current)];
      entries.forEach((row, at) => {
        if (at >= low && at <= high) check(row, true);
        else if (at >= was && at <= before) check(row, false);
      });
    } else {
      anchor = -1;
    }
    current = place;
    entries.forEach((row, at) => row.classList.toggle("at-current", at === place));
    linkOf(entries[place]).focus();
    entries[place].scrollIntoView({ block: "nearest" });
    if (!panel.hidden) show(entries[place]);
  }

  // The nearest one in the row above or below, since the pictures of a grid differ in width.
  function beyond(direction) {
    const from = entries[current].getBoundingClientRect();
    const middle = from.left + from.width / 2;
    let best = -1;
    let least = Infinity;
    entries.forEach((row, at) => {
      const box = row.getBoundingClientRect();
      const rise = (box.top - from.top) * direction;
      if (rise < from.height / 2) return;
      const distance = rise * 4 + Math.abs(box.left + box.width / 2 - middle);
      if (distance < least) [best, least] = [at, distance];
    });
    return best;
  }

  async function show(row) {
    const address = panelOf(row);
    if (!address) return;
    if (asked) asked.abort();
    asked = new AbortController();
    panel.hidden = false;
    try {
      const answer = await fetch(address, { signal: asked.signal, headers: { "X-Requested-With": "fetch" } });
      if (!answer.ok) throw new Error(String(answer.status));
      body.innerHTML = await answer.text(); // our own page's piece, escaped by the server
    } catch (error) {
      if (error.name !== "AbortError") body.textContent = body.dataset.failed;
    }
  }

  function close() {
    if (asked) asked.abort();
    panel.hidden = true;
    body.replaceChildren();
    if (opener) opener.focus();
  }

  panel.querySelector(".at-drawer__close").addEventListener("click", close);

  list.addEventListener("focusin", (event) => {
    const row = event.target.closest("tr");
    const place = entries.indexOf(row);
    if (place >= 0) current = place;
  });

  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-preview]");
    if (!button) return;
    event.preventDefault();
    opener = button;
    current = entries.indexOf(button.closest("tr"));
    show(entries[current]);
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable], .select2-container");
    if (typing || event.altKey || event.metaKey) return;
    if (event.key === "Escape" && !panel.hidden) {
      close();
      return;
    }
    const inside = event.target === document.body || list.contains(event.target);
    if (!inside || !entries.length) return;
    if (event.ctrlKey) {
      if (event.key.toLowerCase() !== "a") return;
      event.preventDefault();
      const all = entries.every((row) => !boxOf(row) || boxOf(row).checked);
      entries.forEach((row) => check(row, !all));
      return;
    }
    const first = current < 0;
    const places = {
      ArrowRight: () => (first ? 0 : current + 1),
      ArrowLeft: () => (first ? 0 : current - 1),
      ArrowDown: () => (first ? 0 : beyond(1)),
      ArrowUp: () => (first ? 0 : beyond(-1)),
      Home: () => 0,
      End: () => entries.length - 1,
    };
    if (places[event.key]) {
      if (event.target.type === "checkbox" && event.key.startsWith("Home")) return;
      event.preventDefault();
      moveTo(places[event.key](), event.shiftKey);
    } else if (event.key === " " && !first && !event.target.closest("button, summary")) {
      event.preventDefault();
      const box = boxOf(entries[current]);
      if (box) check(entries[current], !box.checked);
      anchor = current;
    } else if (event.key.toLowerCase() === "p" && !first) {
      event.preventDefault();
      opener = linkOf(entries[current]);
      if (panel.hidden) show(entries[current]);
      else close();
    }
  });
});
