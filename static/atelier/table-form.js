// Pages that take a table in: the report comes into the page, so that the chosen file stays chosen.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form[data-report]");
  const report = document.getElementById(form.dataset.report);
  const say = (text) => { report.replaceChildren(Object.assign(document.createElement("p"), { textContent: text })); };

  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (!button || button.value === "errors") return; // a download leaves the page as it is
    event.preventDefault();
    const body = new FormData(form);
    body.set("do", button.value);
    button.disabled = true;
    say(form.dataset.textWorking);
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { "X-Fragment": "report" } });
      if (answer.status !== 200 && answer.status !== 422) throw new Error(String(answer.status));
      report.innerHTML = await answer.text();
    } catch {
      say(form.dataset.textFailed);
    } finally {
      button.disabled = false;
      button.focus();
    }
  });
});
