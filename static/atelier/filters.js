// The filter bar: a click elsewhere or Escape closes an open filter; a completed choice applies itself.
"use strict";

document.addEventListener("click", (event) => {
  for (const filter of document.querySelectorAll(".at-filter[open]")) {
    // A click on the completion's own list is outside of the filter, but part of using it.
    if (!filter.contains(event.target) && !event.target.closest(".select2-container")) filter.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const filter of document.querySelectorAll(".at-filter[open]")) {
    filter.open = false;
    filter.querySelector("summary").focus();
  }
});

document.addEventListener("DOMContentLoaded", () => {
  const jQuery = window.django && window.django.jQuery;
  if (!jQuery) return;
  jQuery(".at-filter select").on("select2:select select2:clear", (event) => event.target.form.submit());
});
