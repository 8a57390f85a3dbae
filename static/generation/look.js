// One result in full size: keys press what the page shows, two frames scroll together. Without this script
// its links and buttons do the same.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("look");
  if (root) new LookPage(root);
});

class LookPage {
  constructor(root) {
    this.root = root;
    this.form = document.getElementById("verdict");
    this.note = document.getElementById("note");
    this.words = root.querySelector("[data-note-words]");
    this.zoom = root.querySelector("[data-zoom]");
    this.stage = root.querySelector("[data-stage]");
    this.frames = [...root.querySelectorAll("[data-frame]")];
    this.zoom.hidden = this.frames.length === 0;
    this.zoom.addEventListener("click", () => this.toggleZoom());
    for (const frame of this.frames) frame.addEventListener("scroll", () => this.follow(frame));
    document.addEventListener("keydown", (event) => this.key(event));
    this.note.addEventListener("keydown", (event) => this.noteKey(event));
    this.note.addEventListener("blur", () => this.ask(null));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    const key = { ArrowRight: "j", ArrowLeft: "k" }[event.key] ?? (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (event.target.closest("[data-frame]") && event.key.startsWith("Arrow") && this.isZoomed()) return;
    const asking = this.root.querySelector(`[data-asks="${CSS.escape(key)}"]`);
    const pressed = key === "u" ? this.root.querySelector("[data-undo]:not([hidden]) button") : this.root.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!asking && !pressed) return;
    event.preventDefault();
    if (asking) this.ask(asking);
    else pressed.click();
  }

  // The note comes first; Enter in it gives the verdict that was begun.
  ask(button) {
    this.asked = button;
    this.words.textContent = button ? this.words.dataset[button.value === "reject" ? "textReject" : "textRegenerate"] : "";
    if (button) this.note.focus();
  }

  noteKey(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.note.blur();
    } else if (event.key === "Enter" && !event.shiftKey && this.asked) {
      event.preventDefault();
      this.form.requestSubmit(this.asked);
    }
  }

  isZoomed() {
    return this.stage.classList.contains("st-look__stage--zoomed");
  }

  toggleZoom() {
    const zoomed = this.stage.classList.toggle("st-look__stage--zoomed");
    this.zoom.setAttribute("aria-pressed", zoomed);
    for (const frame of zoomed ? this.frames : []) this.enlarge(frame);
  }

  // Every pixel of the file, in place of the smaller picture, from its middle on.
  async enlarge(frame) {
    const picture = frame.querySelector("img");
    if (picture.dataset.full && picture.getAttribute("src") !== picture.dataset.full) {
      const full = new Image();
      full.src = picture.dataset.full;
      // What the browser cannot show stays as it is.
      if (await full.decode().then(() => true, () => false)) picture.src = full.src;
      await picture.decode().catch(() => {});
    }
    frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
    frame.scrollTop = (frame.scrollHeight - frame.clientHeight) / 2;
  }

  // The same part of both, whatever their sizes.
  follow(frame) {
    if (this.leader && this.leader !== frame) return;
    this.leader = frame;
    clearTimeout(this.led);
    this.led = setTimeout(() => (this.leader = null), 100);
    const share = (at, all, seen) => (all > seen ? at / (all - seen) : 0);
    const across = share(frame.scrollLeft, frame.scrollWidth, frame.clientWidth);
    const down = share(frame.scrollTop, frame.scrollHeight, frame.clientHeight);
    for (const other of this.frames) {
      if (other === frame) continue;
      other.scrollLeft = across * (other.scrollWidth - other.clientWidth);
      other.scrollTop = down * (other.scrollHeight - other.clientHeight);
    }
  }
}
