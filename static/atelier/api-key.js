// Copies a new API key. Where the clipboard is closed (a page without HTTPS), the key is selected instead.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const panel = document.querySelector("[data-api-key]");
  if (!panel) return;
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
});
