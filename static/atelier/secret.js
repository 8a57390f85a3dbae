// Copies what is shown once. Where the clipboard is closed (a page without HTTPS), it is selected instead.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const panel of document.querySelectorAll("[data-secret]")) {
    const field = panel.querySelector("input");
    const status = panel.querySelector("[data-status]");
    panel.querySelector("[data-copy]").addEventListener("click", async () => {
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
        status.textContent = panel.dataset.copied;
      } catch {
        status.textContent = panel.dataset.here;
      }
    });
  }
});
