// The focal point: set by a click on the preview or moved by the arrow keys, both through the form's two
// fields; the crops that it gives are shown beside it, computed as the server computes them.
"use strict";

const STEP = 0.01;
const LEAP = 0.1; // with the shift key
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

document.addEventListener("DOMContentLoaded", () => {
  const preview = document.querySelector("[data-focal-point]");
  const fieldX = document.querySelector("input[name=focal_x]");
  const fieldY = document.querySelector("input[name=focal_y]");
  if (preview && fieldX && fieldY) new FocalPoint(preview, fieldX, fieldY);
});

class FocalPoint {
  constructor(preview, fieldX, fieldY) {
    this.fields = [fieldX, fieldY];
    this.picture = preview.querySelector(".at-preview__picture");
    this.point = preview.querySelector(".at-preview__point");
    this.crops = document.querySelectorAll("[data-crop]");
    this.label = this.point.dataset.label;
    this.picture.addEventListener("click", (event) => {
      const frame = this.picture.getBoundingClientRect();
      this.set((event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height);
      this.point.focus();
    });
    this.point.addEventListener("keydown", (event) => this.move(event));
    for (const field of this.fields) field.addEventListener("input", () => this.show());
    window.addEventListener("resize", () => this.show());
    for (const picture of [this.picture, ...document.querySelectorAll("[data-crop] img")]) {
      if (!picture.complete) picture.addEventListener("load", () => this.show());
    }
    this.show();
  }

  move(event) {
    const direction = MOVES[event.key];
    if (!direction || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const step = event.shiftKey ? LEAP : STEP;
    const [x, y] = this.at();
    this.set(x + step * direction[0], y + step * direction[1]);
  }

  at() {
    return this.fields.map((field) => Math.min(1, Math.max(0, Number(field.value) || 0)));
  }

  set(...values) {
    this.fields.forEach((field, axis) => {
      field.value = Math.min(1, Math.max(0, values[axis])).toFixed(3);
    });
    this.show();
  }

  show() {
    const [x, y] = this.at();
    this.point.style.left = `${this.picture.offsetLeft + x * this.picture.clientWidth}px`;
    this.point.style.top = `${this.picture.offsetTop + y * this.picture.clientHeight}px`;
    this.point.hidden = false;
    const percents = [x, y].map((value) => `${Math.round(100 * value)} %`);
    this.point.setAttribute("aria-label", `${this.label}: ${percents.join(", ")}`);
    for (const crop of this.crops) this.showCrop(crop, x, y);
  }

  // The picture covers the box, with the point as near its middle as the picture's edges allow.
  showCrop(box, x, y) {
    const picture = box.querySelector("img");
    const { naturalWidth, naturalHeight } = picture;
    if (!naturalWidth) return;
    const [wide, high] = [box.clientWidth, box.clientHeight];
    const scale = Math.max(wide / naturalWidth, high / naturalHeight);
    const [width, height] = [naturalWidth * scale, naturalHeight * scale];
    const left = Math.min(Math.max(x * width - wide / 2, 0), width - wide);
    const top = Math.min(Math.max(y * height - high / 2, 0), height - high);
    Object.assign(picture.style, {
      width: `${width}px`,
      height: `${height}px`,
      transform: `translate(${-left}px, ${-top}px)`,
    });
  }
}
