// The search page: pictures by drop, paste or choice; weights; keys; more results behind those that are
// there; the bar of chosen assets. Everything else works without this script.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  searchByPicture();
  sendWeights();
  foldFilters();
  addMore();
  moveByKeys();
  keepChosen();
});

function searchByPicture() {
  const box = document.getElementById("search-form");
  const form = document.getElementById("picture-form");
  const input = document.getElementById("search-picture");
  if (!box || !form || !input) return;
  const send = (files) => {
    const pictures = [...files].filter((file) => file.type.startsWith("image/"));
    if (!pictures.length) return false;
    const carrier = new DataTransfer();
    for (const picture of pictures) carrier.items.add(picture);
    input.files = carrier.files;
    form.submit();
    return true;
  };
  input.addEventListener("change", () => input.files.length && form.submit());
  document.addEventListener("paste", (event) => {
    if (send(event.clipboardData.files)) event.preventDefault();
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    box.classList.add("se-box--over");
  });
  document.addEventListener("dragleave", () => box.classList.remove("se-box--over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    box.classList.remove("se-box--over");
    send(event.dataTransfer.files);
  });
}

// A weight that is chosen counts at once.
function sendWeights() {
  for (const weight of document.querySelectorAll("[data-sends]")) {
    weight.addEventListener("change", () => weight.form.requestSubmit());
  }
}

// Where there is no room beside the results, the filters wait until they are asked for.
function foldFilters() {
  const filters = document.querySelector(".se-side");
  if (!filters) return;
  if (window.matchMedia("(max-width: 900px)").matches) filters.open = false;
  filters.dataset.folded = "";
}

// The next results come behind those that are there; the address stays that of the first.
function addMore() {
  const pages = document.getElementById("search-pages");
  const grid = document.getElementById("search-results");
  if (!pages || !grid) return;
  pages.addEventListener("click", async (event) => {
    const link = event.target.closest("a[rel=next]");
    if (!link) return;
    event.preventDefault();
    if (link.getAttribute("aria-busy") === "true") return;
    link.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(link.href);
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const known = new Set([...grid.querySelectorAll("[data-hit]")].map((hit) => hit.dataset.hit));
      const hits = [...page.querySelectorAll("#search-results [data-hit]")];
      const fresh = hits.filter((hit) => !known.has(hit.dataset.hit));
      grid.append(...fresh);
      const total = page.getElementById("search-total");
      if (total) document.getElementById("search-total").textContent = total.textContent;
      pages.replaceChildren(...page.querySelectorAll("#search-pages > *"));
      fresh[0]?.querySelector(".at-card__link").focus({ preventScroll: true });
    } catch {
      link.removeAttribute("aria-busy");
      const said = document.createElement("p");
      said.className = "at-error";
      said.setAttribute("role", "alert");
      said.textContent = pages.dataset.failed;
      pages.replaceChildren(link, said);
    }
  });
}

// "/" to the box; arrows among the pictures; space chooses; Enter opens, as a link does.
function moveByKeys() {
  const words = document.getElementById("search-words");
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      words.focus();
      words.select();
      return;
    }
    const card = event.target.closest(".se-results .at-card");
    if (event.key === "ArrowDown" && event.target === words) {
      event.preventDefault();
      document.querySelector(".se-results .at-card__link")?.focus();
    } else if (card && event.key.startsWith("Arrow")) {
      event.preventDefault();
      neighbour(card, event.key)?.querySelector(".at-card__link").focus();
    } else if (card && event.key === " " && event.target.matches(".at-card__link")) {
      event.preventDefault();
      card.querySelector("input[type=checkbox]")?.click();
    }
  });
}

function neighbour(card, key) {
  const cards = [...document.querySelectorAll(".se-results .at-card")];
  const at = cards.indexOf(card);
  if (key === "ArrowRight") return cards[at + 1];
  if (key === "ArrowLeft") return cards[at - 1];
  const here = card.getBoundingClientRect();
  const middle = here.left + here.width / 2;
  const rows = cards.filter((other) => {
    const top = other.getBoundingClientRect().top;
    return key === "ArrowDown" ? top > here.top + 8 : top < here.top - 8;
  });
  const distance = (other) => {
    const there = other.getBoundingClientRect();
    return Math.abs(there.top - here.top) * 10 + Math.abs(there.left + there.width / 2 - middle);
  };
  return rows.sort((one, other) => distance(one) - distance(other))[0];
}

function keepChosen() {
  const form = document.getElementById("chosen-form");
  if (!form) return;
  const bar = document.getElementById("chosen-bar");
  const count = document.getElementById("chosen-count");
  const chosen = () => [...form.querySelectorAll(".action-select:checked")];
  const show = () => {
    bar.hidden = chosen().length === 0;
    count.textContent = count.dataset.text.replace("%s", chosen().length);
  };
  form.addEventListener("change", show);
  document.getElementById("choose-none").addEventListener("click", () => {
    for (const input of chosen()) input.checked = false;
    show();
  });
  document.getElementById("to-studio").addEventListener("click", () => {
    const ids = chosen().map((input) => input.closest("[data-asset]").dataset.asset);
    window.location.href = `${form.dataset.studio}?assets=${ids.join(",")}`;
  });
  show();
}
