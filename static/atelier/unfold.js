// What Unfold's pages need to be told before its own script begins.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  // It writes the name of a chosen file into the first text field near it, which on its own forms only shows
  // that name. On ours it is a field of its own: the tags, a title.
  window.fileInputUpdatePath = () => {};
  // Its icons are words in a font of pictures: nobody needs to hear "hub Index" or "chevron_right".
  for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
    icon.setAttribute("aria-hidden", "true");
  }
});
