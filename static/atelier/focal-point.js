// A click on the preview sets the focal point's two fields; the point shows where it lies.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const preview = document.querySelector("[data-focal-point]");
  const fieldX = document.querySelector("input[name=focal_x]");
  const fieldY = document.querySelector("input[name=focal_y]");
  if (!preview || !fieldX || !fieldY) return;
  const picture = preview.querySelector(".at-preview__picture");
  const point = preview.querySelector(".at-preview__point");

  function show() {
    point.style.left = `${picture.offsetLeft + fieldX.value * picture.clientWidth}px`;
    point.style.top = `${picture.offsetTop + fieldY.value * picture.clientHeight}px`;
    point.hidden = false;
  }

  picture.addEventListener("click", (event) => {
    const frame = picture.getBoundingClientRect();
    fieldX.value = ((event.clientX - frame.left) / frame.width).toFixed(3);
    fieldY.value = ((event.clientY - frame.top) / frame.height).toFixed(3);
    show();
  });
  for (const field of [fieldX, fieldY]) field.addEventListener("input", show);
  window.addEventListener("resize", show);
  if (picture.complete) show();
  else picture.addEventListener("load", show);
});
