// Two versions over each other: a slider moves the edge between them. It is an input of type range, so that
// arrow keys, Home and End move it too.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const overlay of document.querySelectorAll("[data-overlay]")) {
    const top = overlay.querySelector("[data-overlay-top]");
    const edge = overlay.querySelector("[data-overlay-edge]");
    const range = overlay.querySelector("[data-overlay-range]");
    const show = () => {
      top.style.clipPath = `inset(0 ${100 - range.value}% 0 0)`;
      edge.style.left = `${range.value}%`;
    };
    range.addEventListener("input", show);
    show();
  }
});
