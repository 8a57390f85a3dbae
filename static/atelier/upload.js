// The upload page: files are sent one by one to the REST endpoint, a few at a time, each with its own
// progress and outcome. Without this script the form sends them all at once.
"use strict";

const AT_ONCE = 3;

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("upload");
  if (form) new Uploads(form);
});

class Uploads {
  constructor(form) {
    this.form = form;
    this.text = form.dataset;
    this.outcomes = document.getElementById("upload-outcomes");
    this.summary = document.getElementById("upload-summary");
    this.template = document.getElementById("upload-outcome");
    this.waiting = [];
    this.running = 0;
    this.counts = { all: 0, done: 0, created: 0, duplicate: 0, rejected: 0 };
    this.listen();
  }

  listen() {
    const drop = this.form.querySelector(".at-drop");
    const input = drop.querySelector("input[type=file]");
    input.addEventListener("change", () => {
      this.add(input.files);
      input.value = "";
    });
    for (const name of ["dragenter", "dragover"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.add("at-drop--over");
      });
    }
    for (const name of ["dragleave", "drop"]) {
      drop.addEventListener(name, () => drop.classList.remove("at-drop--over"));
    }
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      this.add(event.dataTransfer.files);
    });
    this.form.querySelector(".at-upload__send").hidden = true;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    window.addEventListener("beforeunload", (event) => {
      if (this.counts.done < this.counts.all) event.preventDefault();
    });
  }

  // What the form says now counts for the files chosen now, even if it is changed while they wait.
  add(files) {
    const shared = {
      kind: this.form.elements.kind.value,
      state: this.form.elements.state.value,
      tags: this.form.elements.tags.value.replaceAll("，", ","),
    };
    for (const file of files) {
      const row = this.template.content.firstElementChild.cloneNode(true);
      row.querySelector(".at-outcome__name").textContent = file.name;
      row.querySelector(".at-outcome__words").textContent = this.text.textWaiting;
      row.querySelector("progress").setAttribute("aria-label", file.name);
      this.outcomes.append(row);
      this.waiting.push({ file, row, shared });
      this.counts.all += 1;
    }
    this.tell();
    this.next();
  }

  next() {
    while (this.running < AT_ONCE && this.waiting.length) {
      this.running += 1;
      this.send(this.waiting.shift());
    }
  }

  send({ file, row, shared }) {
    const body = new FormData();
    body.append("file", file, file.name);
    for (const [name, value] of Object.entries(shared)) if (value) body.append(name, value);
    const words = row.querySelector(".at-outcome__words");
    const progress = row.querySelector("progress");
    const request = new XMLHttpRequest(); // fetch() cannot tell how much has been sent
    request.open("POST", this.text.endpoint);
    request.setRequestHeader("X-CSRFToken", this.form.elements.csrfmiddlewaretoken.value);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Accept-Language", document.documentElement.lang);
    request.responseType = "json";
    words.textContent = this.text.textSending;
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress.value = (100 * event.loaded) / event.total;
    });
    request.upload.addEventListener("load", () => {
      words.textContent = this.text.textWorking;
      progress.removeAttribute("value"); // indeterminate: the server is looking at it
    });
    request.addEventListener("load", () => this.finish(row, request.status, request.response));
    request.addEventListener("error", () => this.finish(row, 0, null));
    request.send(body);
  }

  finish(row, status, answer) {
    const outcome = status === 201 ? "created" : status === 200 ? "duplicate" : "rejected";
    row.classList.add(`at-outcome--${outcome}`);
    row.querySelector("progress").remove();
    if (outcome === "rejected") this.showProblem(row, status, answer);
    else this.showAsset(row, outcome, answer);
    this.counts.done += 1;
    this.counts[outcome] += 1;
    this.running -= 1;
    this.tell();
    this.next();
  }

  showAsset(row, outcome, asset) {
    const picture = document.createElement("img");
    picture.className = "at-row-picture";
    picture.src = asset.thumbnail;
    picture.alt = "";
    row.querySelector(".at-outcome__picture").append(picture);
    const link = document.createElement("a");
    link.className = "at-link";
    link.href = this.text.changeUrl.replace("PUBLIC-ID", asset.id);
    link.textContent = asset.title || asset.title_zh || asset.file_name;
    const said = outcome === "created" ? this.text.textCreated : this.text.textDuplicate;
    row.querySelector(".at-outcome__words").replaceChildren(`${said}: `, link);
  }

  showProblem(row, status, problem) {
    const icon = document.createElement("span");
    icon.className = "material-symbols-outlined";
    icon.setAttribute("aria-hidden", "true");
    icon.textContent = "error";
    row.querySelector(".at-outcome__picture").append(icon);
    const unknown = status ? this.text.textFailed : this.text.textOffline;
    const errors = problem && problem.errors ? Object.values(problem.errors).flat().join(" ") : "";
    row.querySelector(".at-outcome__words").textContent = errors || (problem && problem.detail) || unknown;
  }

  tell() {
    this.summary.textContent = this.text.textSummary.replace(/%\((\w+)\)s/g, (_, name) => this.counts[name]);
  }
}
