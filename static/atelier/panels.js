// Parts of a page that another part of the system gives: fetched when the page is there, and what is sent
// from them comes back into them.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const panel of document.querySelectorAll("[data-panel]")) {
    const fill = async (options) => {
      panel.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(panel.dataset.panel, { ...options, headers: { "X-Fragment": "panel" } });
        if (!answer.ok) throw new Error(String(answer.status));
        panel.innerHTML = await answer.text();
      } catch {
        panel.textContent = panel.dataset.textFailed;
      } finally {
        panel.removeAttribute("aria-busy");
      }
    };

    panel.addEventListener("submit", async (event) => {
      event.preventDefault();
      const place = [...panel.querySelectorAll("button")].indexOf(event.submitter);
      const body = new FormData(event.target);
      if (event.submitter && event.submitter.name) body.append(event.submitter.name, event.submitter.value);
      await fill({ method: "POST", body });
      // Whoever works through the pictures by keyboard goes on with the next one.
      const buttons = [...panel.querySelectorAll("button")];
      const next = buttons[Math.min(place, buttons.length - 1)];
      if (next) next.focus();
    });

    fill({});
  }
});
