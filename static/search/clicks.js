// Tells which result of a search was opened: a list with data-query (the search's id), data-first (the place of
// its first result) and data-clicks (the address that is told). Nothing waits for it.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const results = document.querySelector("[data-query]");
  if (!results || !results.dataset.query) return;
  const token = document.querySelector("input[name=csrfmiddlewaretoken]")?.value;
  const told = new Set();
  const tell = (event) => {
    const link = event.target.closest("a[href]");
    const card = link?.closest("[data-asset]");
    if (!card || told.has(card) || (event.type === "auxclick" && event.button !== 1)) return;
    told.add(card);
    const position = Number(results.dataset.first) + [...results.querySelectorAll("[data-asset]")].indexOf(card);
    fetch(results.dataset.clicks, {
      method: "POST",
      keepalive: true, // it outlives the page that is being left
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify({ query_id: results.dataset.query, asset: card.dataset.asset, position }),
    }).catch(() => {}); // a report lacks a click; nobody else misses it
  };
  results.addEventListener("click", tell);
  results.addEventListener("auxclick", tell);
});
