// A job's page: cells fill in while the job runs. The page itself is whole without this script.
"use strict";

const EVERY_MS = 2000;
const SCORES_MS = 5000; // scores come after the job
const AT_MOST_MS = 60000;
const PATIENCE_MS = 20000; // a server that takes the call and says nothing is away too
const SAY_MS = 30000; // a screen reader is told no more often, but for the end

document.addEventListener("DOMContentLoaded", () => {
  const job = document.getElementById("job");
  if (job && (job.dataset.active === "true" || job.dataset.unscored !== "0")) new JobPage(job).wait();
});

class JobPage {
  constructor(root) {
    this.root = root;
    // The same page and filter of cells as the document shows.
    this.address = root.dataset.progressUrl + window.location.search;
    this.active = root.dataset.active === "true";
    this.unscored = Number(root.dataset.unscored);
    this.delay = this.active ? EVERY_MS : SCORES_MS;
    this.said = Date.now();
    // Back on line, or looked at again: no reason to wait any longer.
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), this.delay);
  }

  hurry() {
    if (this.timer) this.look();
  }

  async look() {
    clearTimeout(this.timer);
    this.timer = null;
    let told;
    try {
      const answer = await fetch(this.address, {
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      // Signed out meanwhile: the page itself leads to signing in.
      if (answer.redirected || [401, 403, 404].includes(answer.status)) return window.location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      told = await answer.json();
    } catch {
      this.lose();
      return this.wait(); // the server or the network is away; the next look may find it
    }
    this.lost(false);
    this.show(told);
    // Buttons and filters change with the job's state: let the server draw them.
    if (this.active && !told.active) return window.location.reload();
    if (!told.active && !told.unscored) return;
    // While nothing new is scored, ask ever more rarely.
    const moved = told.active || told.unscored !== this.unscored;
    this.delay = told.active ? EVERY_MS : moved ? SCORES_MS : Math.min(AT_MOST_MS, this.delay * 1.5);
    this.unscored = told.unscored;
    this.wait();
  }

  lose() {
    this.delay = Math.min(AT_MOST_MS, this.delay * 1.5);
    this.lost(true);
  }

  lost(is) {
    const line = this.root.querySelector("[data-lost]");
    line.hidden = !is;
    line.textContent = is ? this.root.dataset.textLost : "";
  }

  say(told) {
    if (told.active && Date.now() - this.said < SAY_MS) return;
    this.said = Date.now();
    this.text("[data-said]", told.said);
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
    this.text("[data-rate]", told.rate);
    this.text("[data-time]", told.time);
    const budget = this.root.querySelector("[data-budget]");
    if (budget) budget.value = told.share_of_budget;
    this.say(told);
    this.showNewest(told.newest);
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
    const place = this.root.querySelector(selector);
    if (place.textContent !== String(value)) place.textContent = value;
  }

  // Pictures that are there already are kept, so that nothing flickers and the focus stays.
  showNewest(newest) {
    const row = this.root.querySelector("[data-newest]");
    const there = new Map([...row.children].map((one) => [one.dataset.newestId, one]));
    if (newest.map((told) => told.id).join() === [...there.keys()].join()) return;
    row.replaceChildren(...newest.map((told) => there.get(told.id) ?? this.newestOne(told)));
    this.root.querySelector("[data-newest-section]").hidden = newest.length === 0;
  }

  newestOne(told) {
    const link = document.createElement("a");
    link.className = "st-newest__one";
    link.href = told.address;
    link.dataset.newestId = told.id;
    const picture = new Image();
    picture.alt = told.title;
    picture.src = told.picture;
    link.append(picture);
    return link;
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
