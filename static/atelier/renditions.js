// Copies addresses of renditions, and asks the API for links that expire. Where the clipboard is closed
// (a page without HTTPS), the address is shown in a field, selected, to be copied by hand.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const panel = document.querySelector("[data-renditions]");
  if (panel) new Renditions(panel);
});

class Renditions {
  constructor(panel) {
    this.panel = panel;
    this.text = panel.dataset;
    this.status = panel.querySelector("[data-status]");
    this.field = panel.querySelector("[data-address]");
    for (const button of panel.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => this.copy(new URL(button.dataset.copy, location.href).href));
    }
    for (const button of panel.querySelectorAll("[data-link]")) {
      button.addEventListener("click", () => this.link(button));
    }
  }

  async link(button) {
    button.disabled = true;
    try {
      const response = await fetch(this.text.renditions, {
        method: "POST",
        credentials: "same-origin",
        headers: {
          "Content-Type": "application/json",
          "X-CSRFToken": document.querySelector("input[name=csrfmiddlewaretoken]").value,
        },
        body: JSON.stringify({
          preset: button.dataset.link,
          expires_in: Number(this.panel.querySelector("[data-link-time]").value),
        }),
      });
      const answer = await response.json();
      if (response.ok) await this.copy(answer.url);
      else this.status.textContent = answer.detail || this.text.failed;
    } catch {
      this.status.textContent = this.text.failed;
    } finally {
      button.disabled = false;
    }
  }

  async copy(address) {
    this.field.value = address;
    this.field.hidden = false;
    try {
      await navigator.clipboard.writeText(address);
      this.status.textContent = this.text.copied;
    } catch {
      this.status.textContent = this.text.here;
      this.field.select();
    }
  }
}
