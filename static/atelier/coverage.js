// SKU coverage: ticking by row and column, a count of what is chosen, arrow keys from cell to cell.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("coverage");
  if (!form) return;
  const count = form.querySelector("[data-count]");
  const idle = count ? count.textContent : "";
  const inRow = (box) => [...box.closest("tr").querySelectorAll("input[name=cell]")];
  const inColumn = (role) => [...form.querySelectorAll(`input[name=cell][data-role="${role}"]`)];

  const settle = () => {
    for (const box of form.querySelectorAll("input[name=row]")) box.checked = inRow(box).every((cell) => cell.checked);
    for (const box of form.querySelectorAll("input[data-column]")) {
      const cells = inColumn(box.dataset.column);
      box.parentElement.hidden = !cells.length;
      box.checked = cells.length > 0 && cells.every((cell) => cell.checked);
    }
    const chosen = form.querySelectorAll("input[name=cell]:checked").length;
    if (count) count.textContent = chosen ? count.dataset.text.replace("%(count)s", chosen) : idle;
  };

  form.addEventListener("change", (event) => {
    const box = event.target;
    const cells = box.name === "row" ? inRow(box) : box.dataset.column ? inColumn(box.dataset.column) : [];
    for (const cell of cells) cell.checked = box.checked;
    settle();
  });

  // Left and right go along the row, up and down along the column, past cells with nothing to tick or open.
  const reachable = (cell) => cell && cell.querySelector("input, a");
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  form.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    const cell = event.target.closest("td, th");
    if (!step || !cell || event.altKey || event.ctrlKey || event.metaKey) return;
    const rows = [...form.querySelectorAll("tr")];
    let [row, column] = [rows.indexOf(cell.parentElement), cell.cellIndex];
    for (;;) {
      row += step[0];
      column += step[1];
      const next = rows[row] && rows[row].cells[column];
      if (!next) return;
      const target = reachable(next);
      if (target && target.offsetParent !== null) {
        event.preventDefault();
        target.focus();
        return;
      }
    }
  });

  settle();
});
