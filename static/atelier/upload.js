// The upload page: each file with its own progress, outcome and buttons, a few at a time; broken
// connections are made up for (tus.js). Without this script the form sends all files at once.
"use strict";

const AT_ONCE = 3;
const WORDS = ["tags", "skus", "territories"]; // with commas between them

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("upload");
  if (form) new Uploads(form);
});

// The rows of one page, and who of them may send now.
class Uploads {
  constructor(form) {
    this.form = form;
    this.text = form.dataset;
    this.outcomes = document.getElementById("upload-outcomes");
    this.summary = document.getElementById("upload-summary");
    this.after = document.getElementById("upload-after");
    this.total = document.getElementById("upload-total");
    this.rows = [];
    this.paused = false;
    this.listenToDrops(form.querySelector(".at-drop"));
    this.listenToButtons();
    form.querySelector(".at-upload__send").hidden = true;
    form.addEventListener("submit", (event) => event.preventDefault());
    window.addEventListener("beforeunload", (event) => {
      if (this.rows.some((row) => row.isOpen)) event.preventDefault();
    });
    this.takeWhatWasChosen();
  }

  listenToDrops(drop) {
    const input = drop.querySelector("input[type=file]");
    const take = () => {
      this.add(Array.from(input.files));
      input.value = "";
    };
    input.addEventListener("change", take);
    this.takeWhatWasChosen = () => input.files.length && take(); // before this script had come
    for (const name of ["dragenter", "dragover"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.add("at-drop--over");
      });
    }
    for (const name of ["dragleave", "drop"]) {
      drop.addEventListener(name, () => drop.classList.remove("at-drop--over"));
    }
    drop.addEventListener("drop", async (event) => {
      event.preventDefault();
      this.add(await filesDropped(event.dataTransfer));
    });
  }

  listenToButtons() {
    const folder = document.getElementById("upload-folder");
    folder.hidden = false;
    folder.addEventListener("click", () => {
      const input = document.createElement("input");
      input.type = "file";
      input.webkitdirectory = true;
      input.addEventListener("change", () => {
        this.add(Array.from(input.files).filter((file) => !file.webkitRelativePath.split("/").some(isHidden)));
      });
      input.click();
    });
    this.pauseAll = document.getElementById("upload-pause");
    this.pauseAll.addEventListener("click", () => this.pauseOrGoOn());
  }

  pauseOrGoOn() {
    this.paused = !this.paused;
    for (const row of this.rows) {
      if (this.paused && row.isSending) row.pause();
      else if (!this.paused && row.state === "paused") row.wait();
    }
    this.next();
    this.tell();
  }

  // What the form says now counts for the files chosen now, even if it is changed while they wait.
  add(files) {
    const shared = this.described();
    for (const file of files) this.rows.push(new UploadRow(this, file, shared));
    this.next();
    this.tell();
  }

  // What the form says, as Upload-Metadata has it: each SKU with its role, several choices with ; between.
  described() {
    const { csrfmiddlewaretoken: _, sku_role: role, ...said } = this.said();
    for (const name of WORDS) if (said[name]) said[name] = said[name].replaceAll("，", ",");
    if (said.skus) said.skus = said.skus.split(",").map((code) => code.trim() && `${code.trim()}:${role}`).join(",");
    return said;
  }

  said() {
    const said = {};
    for (const [name, value] of new FormData(this.form)) {
      if (typeof value === "string" && value) said[name] = name in said ? `${said[name]};${value}` : value;
    }
    return said;
  }

  next() {
    let free = AT_ONCE - this.rows.filter((row) => row.isSending).length;
    for (const row of this.paused ? [] : this.rows) {
      if (free <= 0) return;
      if (row.state !== "waiting-turn") continue;
      row.send();
      free -= 1;
    }
  }

  changed() {
    this.next();
    this.tell();
  }

  tell() {
    const count = (state) => this.rows.filter((row) => row.state === state).length;
    const counts = {
      all: this.rows.length,
      created: count("created"),
      duplicate: count("known"),
      rejected: count("refused") + count("failed"),
    };
    counts.done = counts.created + counts.duplicate + counts.rejected;
    const said = this.text.textSummary.replace(/%\((\w+)\)s/g, (_, name) => counts[name]);
    if (this.rows.length && this.summary.textContent !== said) this.summary.textContent = said;
    this.after.hidden = !counts.created || counts.done < counts.all;
    this.total.parentElement.hidden = !this.rows.length;
    this.pauseAll.disabled = !this.rows.some((row) => row.isOpen);
    this.pauseAll.textContent = this.paused ? this.text.textResumeAll : this.text.textPauseAll;
    this.progress();
  }

  // Of all files together, by bytes.
  progress() {
    const all = this.rows.reduce((sum, row) => sum + row.upload.file.size, 0);
    const sent = this.rows.reduce((sum, row) => sum + (row.isOpen ? row.sent : row.upload.file.size), 0);
    this.total.value = all ? (100 * sent) / all : 0;
  }

  remove(row) {
    this.rows.splice(this.rows.indexOf(row), 1);
    row.element.remove();
    this.changed();
  }
}

// One file on the page. Its states: waiting-turn, sending, working, waiting, paused; then created, known,
// refused or failed.
class UploadRow {
  constructor(page, file, shared) {
    this.page = page;
    this.text = page.text;
    this.sent = 0;
    const template = document.getElementById("upload-outcome").content.firstElementChild;
    this.element = template.cloneNode(true);
    this.words = this.find("words");
    this.bar = this.find("progress");
    this.find("name").textContent = pathOf(file);
    this.bar.setAttribute("aria-label", file.name);
    this.button = this.find("button");
    this.button.addEventListener("click", () => this.press());
    this.giveUp = this.find("remove");
    this.giveUp.setAttribute("aria-label", `${this.text.textRemove}: ${file.name}`);
    this.giveUp.addEventListener("click", () => this.remove());
    this.upload = new TusUpload(file, {
      endpoint: this.text.endpoint,
      account: this.text.account,
      metadata: { filename: file.name, ...shared },
      headers: {
        "X-CSRFToken": page.form.elements.csrfmiddlewaretoken.value,
        "Accept-Language": document.documentElement.lang,
      },
      progress: (sent) => this.progress(sent),
      state: (name) => this.enter(name),
      done: (outcome) => this.finish(outcome),
      failed: (answer) => this.fail(answer),
    });
    this.wait();
    page.outcomes.append(this.element);
  }

  get isSending() {
    return ["sending", "working", "waiting"].includes(this.state);
  }

  get isOpen() {
    return this.isSending || ["waiting-turn", "paused"].includes(this.state);
  }

  find(part) {
    return this.element.querySelector(`.at-outcome__${part}`);
  }

  wait() {
    this.enter("waiting-turn");
  }

  send() {
    this.enter("sending");
    this.upload.start();
  }

  pause() {
    this.upload.pause();
  }

  // One button: it pauses what is on its way, and goes on with what is not.
  press() {
    if (this.isSending) this.pause();
    else {
      if (this.state === "failed") this.upload.describe({ filename: this.upload.file.name, ...this.page.described() });
      this.wait();
    }
    this.page.changed();
  }

  async remove() {
    const { isOpen } = this;
    this.page.remove(this);
    if (isOpen || this.state === "failed") await this.upload.cancel();
  }

  progress(sent) {
    this.sent = sent;
    this.bar.value = this.upload.file.size ? (100 * sent) / this.upload.file.size : 0;
    this.page.progress();
  }

  enter(state) {
    this.state = state;
    const words = {
      "waiting-turn": this.text.textWaiting,
      sending: this.text.textSending,
      working: this.text.textWorking,
      waiting: this.text.textTryingAgain,
      paused: this.text.textPaused,
    };
    if (words[state]) this.words.textContent = words[state];
    if (state === "working") this.bar.removeAttribute("value"); // the server is looking at it
    this.element.className = "at-outcome";
    this.bar.hidden = !this.isOpen;
    this.button.hidden = !(this.isOpen || state === "failed") || state === "waiting-turn";
    const pressed = { paused: this.text.textResume, failed: this.text.textRetry };
    this.button.textContent = pressed[state] || this.text.textPause;
    this.button.setAttribute("aria-label", `${this.button.textContent}: ${this.upload.file.name}`);
  }

  finish(outcome) {
    this.enter(outcome.state);
    const looks = { created: "created", known: "duplicate", refused: "rejected" };
    this.element.classList.add(`at-outcome--${looks[outcome.state]}`);
    if (outcome.asset) this.showAsset(outcome);
    else this.showProblem(outcome.problem || this.text.textFailed);
    this.page.changed();
  }

  fail(answer) {
    this.enter("failed");
    this.element.classList.add("at-outcome--rejected");
    const problem = answer.body || {};
    const errors = problem.errors ? Object.values(problem.errors).flat().join(" ") : "";
    const unknown = answer.status ? this.text.textFailed : this.text.textOffline;
    this.showProblem(errors || problem.detail || problem.problem || unknown);
    this.page.changed();
  }

  showAsset(outcome) {
    const picture = document.createElement("img");
    picture.className = "at-row-picture";
    picture.src = outcome.thumbnail;
    picture.alt = "";
    this.find("picture").replaceChildren(picture);
    const link = document.createElement("a");
    link.className = "at-link";
    link.href = this.text.changeUrl.replace("PUBLIC-ID", outcome.asset);
    link.textContent = outcome.title;
    const said = outcome.state === "created" ? this.text.textCreated : this.text.textDuplicate;
    this.words.replaceChildren(`${said}: `, link);
    if (outcome.problem) {
      const notice = document.createElement("span");
      notice.className = "at-outcome__notice";
      notice.textContent = outcome.problem;
      this.words.append(notice);
    }
  }

  showProblem(sentence) {
    const icon = document.createElement("span");
    icon.className = "material-symbols-outlined";
    icon.setAttribute("aria-hidden", "true");
    icon.textContent = "error";
    this.find("picture").replaceChildren(icon);
    this.words.textContent = sentence;
  }
}
