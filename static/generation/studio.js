// The studio: pictures are found while one types, picked by ticking, and the plan follows each change. The
// address says what is chosen, so that a reload, the way back and a link to it show it again.
// Without this script the form's own buttons find pictures and show the plan.
"use strict";

const TYPING_MS = 350;
const CHANGE_MS = 150;
const ADDRESS_MS = 200; // browsers take no more than some hundred changes of it in half a minute
const LONGEST_ADDRESS = 3500; // servers refuse longer lines; what does not fit is kept by the tab
const KEPT = "atelier-studio:"; // and the kind of job

document.addEventListener("DOMContentLoaded", async () => {
  const form = document.getElementById("studio");
  if (!form) return;
  if (new URLSearchParams(window.location.search).has("kept")) await restoreKept(form).catch(() => {});
  new Studio(form);
});

// The form as the server draws it for what this tab has kept.
async function restoreKept(form) {
  const kept = sessionStorage.getItem(KEPT + form.elements.kind.value);
  if (!kept) return;
  const body = new URLSearchParams(kept);
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  const answer = await fetch(form.action, { method: "POST", body });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  form.replaceChildren(...page.getElementById("studio").childNodes);
}

class Studio {
  constructor(form) {
    this.form = form;
    this.plan = document.getElementById("plan");
    for (const section of form.querySelectorAll("[data-picker]")) {
      new Picker(section, form.dataset.findUrl, () => this.replan(CHANGE_MS));
    }
    form.addEventListener("change", () => this.replan(CHANGE_MS));
    form.addEventListener("input", (event) => {
      if (event.target.matches("#id_sentence")) this.forgetChoices();
      if (event.target.matches("#id_sentence, #id_instruction, #id_negative, [data-word]")) this.replan(TYPING_MS);
      else this.rememberSoon();
    });
    form.addEventListener("keydown", (event) => this.keepEnterFromRunning(event));
    form.addEventListener("submit", () => this.ask?.abort());
    this.plan.addEventListener("click", (event) => this.turnMatrix(event));
    for (const button of form.querySelectorAll("[data-on-change]")) this.pressOnChange(button);
    // What was sent by a button has no address of its own yet.
    if (!window.location.search && form.querySelector("[data-tray] :checked")) this.remember();
  }

  // Enter in a field would press the first button of the form.
  keepEnterFromRunning(event) {
    if (event.key !== "Enter" || !event.target.matches("input:not([type=checkbox], [type=radio])")) return;
    event.preventDefault();
    this.replan(0);
  }

  // A field whose change needs the whole form anew; without this script its button is pressed by hand.
  pressOnChange(button) {
    const field = document.getElementById(button.dataset.onChange);
    button.hidden = true;
    field.addEventListener("change", (event) => {
      event.stopPropagation();
      this.form.requestSubmit(button);
    });
  }

  // Other rows or columns of a large matrix: that part alone is fetched.
  async turnMatrix(event) {
    const button = event.target.closest("button[name=at]");
    if (!button) return;
    event.preventDefault();
    const body = new FormData(this.form);
    body.set("at", button.value);
    const matrix = this.plan.querySelector("[data-matrix]");
    const label = button.getAttribute("aria-label");
    const html = await this.fetchFragment("matrix", body);
    if (html === null || !matrix.isConnected) return;
    matrix.innerHTML = html;
    const same = matrix.querySelector(`button[aria-label="${CSS.escape(label)}"]`);
    (same && !same.disabled ? same : matrix.querySelector(".st-matrix")).focus({ preventScroll: true });
  }

  // Another sentence has other slots; what was picked for the old ones means nothing.
  forgetChoices() {
    for (const radio of this.plan.querySelectorAll("input[type=radio]")) radio.checked = false;
  }

  rememberSoon() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => this.remember(), ADDRESS_MS);
  }

  remember() {
    clearTimeout(this.remembering);
    const said = this.said();
    const fits = said.length <= LONGEST_ADDRESS;
    const kind = this.form.elements.kind.value;
    if (!fits) sessionStorage.setItem(KEPT + kind, said);
    history.replaceState(null, "", fits ? `?${said}` : `?kind=${kind}&kept=1`);
  }

  // What the form says, as an address has it: the pictures of a selection with commas between them.
  said() {
    const said = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) {
      if (typeof value !== "string" || !value || name === "csrfmiddlewaretoken") continue;
      const isPicture = this.form.querySelector(`[data-picker="${CSS.escape(name)}"]`) !== null;
      if (isPicture && said.has(name)) said.set(name, `${said.get(name)},${value}`);
      else said.append(name, value);
    }
    return String(said).replaceAll("%2C", ",");
  }

  replan(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetchPlan(), delay);
  }

  async fetchPlan() {
    this.remember();
    const html = await this.fetchFragment("plan", new FormData(this.form));
    if (html !== null) this.show(html);
  }

  // A part of the page for what is chosen; null where another was asked for meanwhile, or none came.
  async fetchFragment(name, body) {
    this.ask?.abort();
    const ask = (this.ask = new AbortController());
    this.plan.setAttribute("aria-busy", "true");
    try {
      const headers = { "X-Fragment": name };
      const answer = await fetch(this.form.action, { method: "POST", body, headers, signal: ask.signal });
      if (!answer.ok) throw new Error(answer.statusText);
      return await answer.text();
    } catch (error) {
      if (error.name !== "AbortError") this.fail();
      return null;
    } finally {
      if (this.ask === ask) this.plan.removeAttribute("aria-busy");
    }
  }

  show(html) {
    const focused = this.plan.contains(document.activeElement) ? document.activeElement : null;
    const open = new Set([...this.plan.querySelectorAll("details")].filter((d) => d.open).map((d) => d.className));
    const scroll = this.plan.querySelector(".st-matrix")?.scrollLeft ?? 0;
    this.plan.innerHTML = html;
    for (const details of this.plan.querySelectorAll("details.st-prompt")) details.open = open.has(details.className);
    this.plan.querySelector(".st-matrix")?.scrollTo({ left: scroll });
    if (focused?.value) {
      this.plan.querySelector(`[name="${focused.name}"][value="${focused.value}"]`)?.focus();
    }
  }

  fail() {
    const line = document.createElement("p");
    line.className = "at-error";
    line.setAttribute("role", "alert");
    line.textContent = this.form.dataset.textFailed;
    this.plan.replaceChildren(line);
  }
}

class Picker {
  constructor(section, url, changed) {
    this.section = section;
    this.name = section.dataset.picker;
    this.url = url;
    this.changed = changed;
    this.tray = section.querySelector("[data-tray]");
    this.found = section.querySelector("[data-found]");
    this.query = section.querySelector("input[type=search]");
    this.all = section.querySelector("[data-all]");
    this.none = section.querySelector("[data-none]");
    section.querySelector(".st-picker__find").hidden = true;
    this.query.addEventListener("input", () => this.search());
    section.addEventListener("change", (event) => {
      if (event.target.type === "checkbox") this.moved(event.target);
    });
    section.addEventListener("keydown", (event) => this.step(event));
    section.addEventListener("focusin", (event) => this.makeReachable(event.target));
    this.all.addEventListener("click", () => this.tickAll(this.found, true));
    this.none.addEventListener("click", () => this.tickAll(this.tray, false));
    this.count();
  }

  search() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetchFound(), TYPING_MS);
  }

  async fetchFound() {
    const words = this.query.value.trim();
    const address = `${this.url}?${new URLSearchParams({ selection: this.name, q: words })}`;
    this.found.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address);
      if (!answer.ok || words !== this.query.value.trim()) return;
      this.found.innerHTML = await answer.text();
    } finally {
      this.found.removeAttribute("aria-busy");
    }
    for (const box of this.boxes(this.found)) {
      if (this.tray.querySelector(`[value="${box.value}"]`)) box.closest(".st-tile").remove();
    }
    this.count();
  }

  // The arrow keys go from picture to picture; Tab goes past them, to the one that was reached last.
  step(event) {
    const box = event.target;
    if (!event.key.startsWith("Arrow") || !box.matches("input[type=checkbox]")) return;
    event.preventDefault();
    const boxes = this.boxes(box.closest("[data-tray], [data-found]"));
    const columns = new Set(boxes.map((one) => one.closest(".st-tile").offsetLeft)).size;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    boxes[boxes.indexOf(box) + steps[event.key]]?.focus();
  }

  makeReachable(box) {
    const group = box?.closest("[data-tray], [data-found]");
    if (!group || !box.matches("input[type=checkbox]")) return;
    for (const one of this.boxes(group)) one.tabIndex = one === box ? 0 : -1;
  }

  boxes(within) {
    return [...within.querySelectorAll("input[type=checkbox]")];
  }

  // A ticked tile goes to the tray, an unticked one back to what was found.
  moved(box) {
    const tile = box.closest(".st-tile");
    const tiles = this.found.querySelector("[data-tiles]");
    if (box.checked) this.tray.append(tile);
    else if (tiles) tiles.prepend(tile);
    else tile.remove();
    box.focus({ preventScroll: true });
    this.count();
  }

  tickAll(within, ticked) {
    for (const box of this.boxes(within)) {
      box.checked = ticked;
      this.moved(box);
    }
    this.changed();
  }

  count() {
    for (const group of [this.tray, this.found]) {
      const boxes = this.boxes(group);
      this.makeReachable(boxes.find((box) => box === document.activeElement) ?? boxes[0]);
    }
    const chosen = this.boxes(this.tray).length;
    this.section.querySelector("[data-count]").textContent = chosen;
    this.all.hidden = this.boxes(this.found).length === 0;
    this.none.hidden = chosen === 0;
  }
}
