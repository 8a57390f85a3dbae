// A job's page: cells fill in while the job runs. The page itself is whole without this script.
"use strict";

const EVERY_MS = 2000;

document.addEventListener("DOMContentLoaded", () => {
  const job = document.getElementById("job");
  if (job?.dataset.active === "true") new JobPage(job).wait();
});

class JobPage {
  constructor(root) {
    this.root = root;
    // The same page and filter of cells as the document shows.
    this.address = root.dataset.progressUrl + window.location.search;
  }

  wait() {
    setTimeout(() => this.look(), EVERY_MS);
  }

  async look() {
    let told;
    try {
      const answer = await fetch(this.address, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.statusText);
      told = await answer.json();
    } catch {
      return this.wait(); // the server or the network is away; the next look may find it
    }
    this.show(told);
    if (told.active) return this.wait();
    // Buttons and filters change with the job's state: let the server draw them.
    window.location.reload();
  }

  show(told) {
    this.text("[data-state-label]", told.state_label);
    this.root.querySelector("[data-state-dot]").className = `st-dot st-dot--${told.state}`;
    this.text("[data-waiting]", told.waiting);
    this.root.querySelector("[data-waiting]").hidden = !told.waiting;
    this.text("[data-done]", told.done);
    this.text("[data-total]", told.total);
    this.text("[data-cost]", told.cost);
    this.text("[data-committed]", told.committed);
    this.text("[data-time]", told.time);
    const bar = this.root.querySelector("[data-progress]");
    bar.max = told.total;
    bar.value = told.done;
    for (const { state, count } of told.counts) {
      const shown = this.root.querySelector(`[data-count-of="${state}"]`);
      shown.querySelector("[data-count]").textContent = count;
      shown.hidden = count === 0;
    }
    for (const cell of told.cells) this.showCell(cell);
  }

  text(selector, value) {
    this.root.querySelector(selector).textContent = value;
  }

  showCell(told) {
    const cell = this.root.querySelector(`[data-cell="${told.id}"]`);
    if (cell && told.quality) this.showQuality(cell, told.quality);
    if (!cell || (cell.dataset.state === told.state && !told.reason)) return;
    cell.dataset.state = told.state;
    cell.querySelector("[data-label]").textContent = told.label;
    cell.querySelector(".st-cell__line .st-dot").className = `st-dot st-dot--${told.state}`;
    cell.querySelector("[data-reason]").textContent = told.state === "succeeded" ? "" : told.reason;
    if (told.picture && !cell.querySelector(".st-cell__picture")) this.reveal(cell, told);
  }

  showQuality(cell, { shown, kind, sentence }) {
    let badge = cell.querySelector(".st-score");
    if (!badge) {
      badge = document.createElement("span");
      cell.querySelector(".st-cell__line").append(badge);
    }
    badge.className = `st-score st-score--${kind}`;
    badge.title = sentence;
    badge.textContent = shown;
  }

  reveal(cell, told) {
    const picture = new Image();
    picture.className = "st-cell__picture";
    picture.alt = told.title;
    picture.src = told.picture;
    const frame = cell.querySelector(".st-cell__frame");
    frame.href = told.address;
    frame.replaceChildren(picture);
    const title = cell.querySelector(".st-cell__title");
    title.textContent = title.title = told.title;
  }
}
