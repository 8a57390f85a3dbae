// Imports: the archive goes up in pieces before the form is sent; the page of a running one follows it.
"use strict";

const EVERY = 2000; // ms between two looks at a running import

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("import");
  if (form) form.addEventListener("submit", (event) => sendArchiveFirst(form, event));
  const run = document.getElementById("import-run");
  if (run && run.dataset.address) setTimeout(() => follow(run), EVERY);
});

function sendArchiveFirst(form, event) {
  const input = form.elements.archive;
  const file = input.files[0];
  if (!file) return; // another source
  event.preventDefault();
  const words = document.getElementById("import-words");
  const bar = document.getElementById("import-progress");
  const said = { sending: form.dataset.textSending, waiting: form.dataset.textWaiting, working: form.dataset.textWorking };
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  bar.hidden = false;
  new TusUpload(file, {
    endpoint: form.dataset.endpoint,
    account: `${form.dataset.account}:import`,
    metadata: { filename: file.name, purpose: "import" },
    headers: {
      "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
      "Accept-Language": document.documentElement.lang,
    },
    progress: (sent) => {
      bar.value = file.size ? (100 * sent) / file.size : 0;
    },
    state: (name) => {
      if (said[name] && words.textContent !== said[name]) words.textContent = said[name];
    },
    done: (outcome) => {
      form.elements.upload.value = outcome.id;
      input.value = ""; // it is there already
      form.submit();
    },
    failed: (answer) => {
      words.textContent = (answer.body && answer.body.detail) || form.dataset.textFailed;
      button.disabled = false;
    },
  }).start();
}

async function follow(run) {
  let answer = null;
  try {
    answer = await fetch(run.dataset.address, { headers: { Accept: "application/json" } });
  } catch {
    // not reachable at the moment
  }
  if (answer && answer.ok) {
    const now = await answer.json();
    if (now.state !== run.dataset.state) return window.location.reload();
    const number = (value) => value.toLocaleString(document.documentElement.lang);
    const bar = document.getElementById("import-progress");
    bar.max = now.total || 1;
    bar.value = now.done;
    document.getElementById("import-done").textContent = `${number(now.done)} / ${number(now.total)}`;
    for (const place of run.querySelectorAll("[data-number]")) place.textContent = number(now[place.dataset.number]);
  }
  setTimeout(() => follow(run), EVERY);
}
