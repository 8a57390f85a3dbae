// What Unfold's pages need to be told before its own script begins.
"use strict";

// The pages' policy of contents takes no style from scripts, and lets no text be run as one.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;

// Alpine's build for such pages reads its expressions itself: what they name is given to it by name, and the
// few of Unfold's that are more than an expression are written anew.
document.addEventListener("alpine:init", () => {
  Alpine.data("page", page);
  for (const part of [theme, searchForm, searchDropdown, searchCommand]) Alpine.data(part.name, part);
  document
    .getElementById("search-input-command")
    ?.setAttribute("x-on:keydown.enter.prevent", "$event.metaKey || $event.ctrlKey || selectItem(false, false)");
  document.getElementById("changelist-actions")?.setAttribute("x-bind:style", "{ width: changeListWidth + 'px' }");
});

function page() {
  const { tab, tabbed } = document.body.dataset;
  return {
    activeTab: tabbed === undefined ? "" : getCurrentTab() || tab,
    sidebarMobileOpen: false,
    sidebarDesktopOpen: (localStorage.getItem("sidebarDesktopOpen") ?? "1") === "1",
    // Of the window its expressions ask for the address alone.
    window: {
      location: {
        get pathname() { return location.pathname; },
        get search() { return location.search; },
        get hash() { return location.hash; },
        set href(address) { location.assign(address); },
      },
    },
    moveRecords: (...given) => moveRecords(...given),
    sortRecords: (...given) => sortRecords(...given),
    init() {
      this.$watch("sidebarDesktopOpen", (open) => localStorage.setItem("sidebarDesktopOpen", open ? "1" : "0"));
    },
    closeNavigation() {
      this.sidebarMobileOpen = false;
      document.getElementById("at-navigation").focus();
    },
  };
}

document.addEventListener("DOMContentLoaded", () => {
  // It writes the name of a chosen file into the first text field near it, which on its own forms only shows
  // that name. On ours it is a field of its own: the tags, a title.
  window.fileInputUpdatePath = () => {};
  // Its icons are words in a font of pictures: nobody needs to hear "hub Index" or "chevron_right".
  for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
    icon.setAttribute("aria-hidden", "true");
  }
  giveKeys();
  nameFields();
  nameChoices(document.body);
  new MutationObserver((changes) => {
    for (const change of changes) if (change.addedNodes.length) nameChoices(change.target);
  }).observe(document.body, { childList: true, subtree: true });
});

// What Unfold made for the mouse alone is a button for the keyboard too. A heading stays one, and holds it.
function giveKeys() {
  for (const clicked of document.querySelectorAll(":is(a:not([href]), div, h2)[x-on\\:click]")) {
    let button = clicked;
    if (clicked.matches("h2")) {
      button = document.createElement("span");
      button.className = "at-heading-button";
      button.append(...clicked.childNodes);
      clicked.append(button);
    } else if (clicked.matches("div") && !clicked.classList.contains("cursor-pointer")) continue;
    button.tabIndex = 0;
    button.setAttribute("role", "button");
    // Three dots beside a field: what is done to the thing that is chosen.
    if (button.closest(".related-widget-wrapper")) button.setAttribute("aria-label", document.getElementById("page").dataset.more);
    button.addEventListener("keydown", (event) => {
      if (event.target !== button || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      button.click();
    });
  }
}

// The fields of an inline's rows are named by the heads of their columns, which no label says.
function nameFields() {
  for (const cell of document.querySelectorAll("td[data-label]")) {
    for (const field of cell.querySelectorAll("input:not([type=hidden]), select, textarea")) {
      if (!field.labels?.length && !field.hasAttribute("aria-label")) field.setAttribute("aria-label", cell.dataset.label);
    }
  }
}

// The fields that suggest what may be chosen (select2) do not take over the names of what they stand for, and
// Django's two lists side by side explain themselves with signs.
function nameChoices(part) {
  for (const sign of part.querySelectorAll(".help-tooltip[aria-label]:not([role])")) sign.setAttribute("role", "img");
  const within = part.closest(".select2-container");
  for (const box of within ? [within] : part.querySelectorAll(".select2-container")) {
    const select = box.previousElementSibling;
    const name = select?.labels?.[0]?.textContent.trim() || select?.getAttribute("aria-label");
    if (!name) continue;
    const chosen = box.querySelector(".select2-selection");
    chosen.setAttribute("aria-label", name);
    chosen.removeAttribute("aria-labelledby");
    for (const said of ["role", "aria-readonly"]) box.querySelector("span.select2-selection__rendered")?.removeAttribute(said);
    box.querySelector(".select2-search__field")?.setAttribute("aria-label", name);
    box.querySelector("ul > .select2-selection__clear")?.setAttribute("role", "listitem");
  }
  const asked = document.querySelector(".select2-dropdown .select2-search__field:not([aria-label])");
  const open = document.querySelector(".select2-container--open .select2-selection[aria-label]");
  if (asked && open) asked.setAttribute("aria-label", open.getAttribute("aria-label"));
}
