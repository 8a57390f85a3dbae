// Unfold writes the name of a chosen file into the first text field near it, which on its own forms only
// shows that name. On ours it is a field of its own: the tags, a title. Runs before Unfold's script begins.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  window.fileInputUpdatePath = () => {};
});
