// The page of a reindex: asks how far it is, and loads itself anew when its state changes.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const run = document.getElementById("reindex");
  if (!run || run.dataset.atWork !== "true") return;
  const bar = run.querySelector("progress");
  const language = document.documentElement.lang;

  async function ask() {
    try {
      const answer = await fetch(run.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const told = await answer.json();
      bar.max = told.total || 1;
      bar.value = told.done;
      for (const place of run.querySelectorAll("[data-number]")) {
        const value = told[place.dataset.number];
        const text = typeof value === "number" ? value.toLocaleString(language) : value;
        if (place.textContent !== text) place.textContent = text;
      }
      if (told.state !== run.dataset.state) {
        location.reload();
        return;
      }
    } catch {
      // The connection may come back; the next turn asks again.
    }
    setTimeout(ask, 1500);
  }

  setTimeout(ask, 1000);
});
