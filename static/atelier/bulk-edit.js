// The page of a bulk edit: asks how far it is, and loads itself anew at the end.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const page = document.getElementById("bulk-edit");
  if (!page || page.dataset.atWork !== "true") return;
  const bar = page.querySelector("progress");

  async function ask() {
    try {
      const answer = await fetch(page.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const told = await answer.json();
      bar.max = told.total;
      bar.value = told.done;
      for (const place of page.querySelectorAll("[data-number]")) {
        const value = told[place.dataset.number];
        place.textContent = typeof value === "number" ? value.toLocaleString(document.documentElement.lang) : value;
      }
      if (!told.at_work) {
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
