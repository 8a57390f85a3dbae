// The sample storefront: asks, shows, leads on to what is alike, and tries on where the key allows it.
"use strict";

const PAGE = 24;
const EVERY_MS = 2000; // ms between two looks at a try-on
const WORN = ["garment", "accessory"];
const KEY = "storefront-key"; // of this tab alone

document.addEventListener("DOMContentLoaded", () => new Shop(document.body).begin());

class Shop {
  constructor(body) {
    this.text = body.dataset;
    this.chinese = document.documentElement.lang.startsWith("zh");
    this.client = new AtelierClient(body.dataset.api, { language: document.documentElement.lang });
    this.client.key = sessionStorage.getItem(KEY) || "";
    this.turn = 0; // an answer that somebody has asked past is dropped
  }

  begin() {
    this.on("ask", "submit", (event) => {
      event.preventDefault();
      this.picture = null;
      this.go({ q: this.at("words").value.trim() });
    });
    this.on("picture", "change", (event) => this.byPicture(event.target.files[0]));
    this.on("more", "click", () => this.load(true));
    this.on("similar", "click", () => {
      this.at("detail").close();
      this.go({ like: this.shown.id, title: this.titleOf(this.shown) });
    });
    this.on("detail", "close", () => this.opener && this.opener.focus());
    this.on("try", "toggle", () => this.at("try").open && this.askConsent());
    this.on("key-form", "submit", (event) => this.takeKey(event));
    this.on("try-form", "submit", (event) => this.tryOn(event));
    this.on("forget", "click", () => this.forget());
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.byPicture(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => this.byPicture(event.clipboardData.files[0]));
    window.addEventListener("popstate", () => this.read());
    this.read();
  }

  at(id) {
    return document.getElementById(id);
  }

  on(id, event, deed) {
    this.at(id).addEventListener(event, deed);
  }

  // What is asked stands in the address, so that it can be shared and gone back to.
  read() {
    const given = new URLSearchParams(window.location.search);
    this.asked = { q: given.get("q") || "", like: given.get("like") || "", title: given.get("title") || "", kind: given.get("kind") || "" };
    this.picture = null;
    this.at("words").value = this.asked.q;
    this.load(false);
  }

  go(change) {
    const wanted = { ...change };
    const address = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
    history.pushState(null, "", `?${address}`);
    this.asked = { q: "", like: "", title: "", kind: "", ...wanted };
    this.load(false);
  }

  byPicture(file) {
    if (!file) return;
    this.picture = file;
    this.at("words").value = "";
    this.asked = { q: "", like: "", title: "", kind: "" };
    this.load(false);
  }

  async load(further) {
    const turn = ++this.turn;
    const page = { limit: PAGE, facets: "true", kind: this.asked.kind, cursor: further ? this.next : "" };
    this.at("more").disabled = true;
    this.at("problem").hidden = true;
    try {
      const found = await this.ask(page);
      if (turn === this.turn) this.show(found, further);
    } catch (problem) {
      if (turn === this.turn) this.complain(problem);
    } finally {
      this.at("more").disabled = false;
    }
  }

  ask(page) {
    if (this.picture) return this.client.searchByPicture(this.picture, page);
    if (this.asked.like) return this.client.similar(this.asked.like, page);
    return this.client.search({ ...page, q: this.asked.q });
  }

  show(found, further) {
    const cards = found.results.map((asset) => this.card(asset));
    const grid = this.at("results");
    if (further) {
      grid.append(...cards);
      if (cards.length) cards[0].querySelector("button").focus();
    } else {
      grid.replaceChildren(...cards);
      this.showKinds(found.facets.kind || []);
    }
    this.next = found.next;
    this.at("more").hidden = !found.next;
    this.at("said").textContent = grid.children.length ? this.heading(found) : found.empty_because || this.text.textNothing;
  }

  heading(found) {
    if (this.picture) return this.text.textPicture;
    if (this.asked.like) return this.text.textLike.replace("%s", this.asked.title || this.asked.like);
    if (!this.asked.q) return this.text.textAll;
    return this.text.textFound.replace("%s", found.total.toLocaleString(document.documentElement.lang));
  }

  complain(problem) {
    const line = this.at("problem");
    if (problem.status === 429) line.textContent = this.text.textWait.replace("%s", problem.retryAfter || 60);
    else line.textContent = (problem.status && this.sentence(problem)) || this.text.textAway;
    line.hidden = false;
    this.at("said").textContent = "";
  }

  // Of a request with errors, what is wrong with its first field.
  sentence({ told, message }) {
    const first = Object.values(told.errors || {})[0];
    return (Array.isArray(first) ? first[0] : "") || message;
  }

  showKinds(kinds) {
    const all = [{ value: "", label: this.text.textAny }, ...kinds];
    this.at("kinds").replaceChildren(
      ...all.map(({ value, label, count }) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "sf-kind";
        button.textContent = count === undefined ? label : `${label} ${count.toLocaleString(document.documentElement.lang)}`;
        button.setAttribute("aria-pressed", String(value === this.asked.kind));
        button.addEventListener("click", () => (this.picture ? this.narrow(value) : this.go({ ...this.asked, kind: value })));
        const item = document.createElement("li");
        item.append(button);
        return item;
      }),
    );
  }

  narrow(kind) {
    this.asked.kind = kind;
    this.load(false);
  }

  titleOf(asset) {
    const [first, second] = this.chinese ? [asset.title_zh, asset.title] : [asset.title, asset.title_zh];
    return first || second || this.text.textUntitled;
  }

  altOf(asset) {
    const [first, second] = this.chinese ? [asset.alt_text_zh, asset.alt_text] : [asset.alt_text, asset.alt_text_zh];
    return first || second || this.titleOf(asset);
  }

  card(asset) {
    const picture = new Image(asset.width || 1, asset.height || 1);
    picture.src = asset.thumbnail;
    picture.alt = this.altOf(asset);
    picture.loading = "lazy";
    const title = document.createElement("span");
    title.textContent = this.titleOf(asset);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sf-card";
    button.append(picture, title);
    button.addEventListener("click", () => this.open(asset, button));
    const item = document.createElement("li");
    item.append(button);
    return item;
  }

  open(asset, opener) {
    this.shown = asset;
    this.opener = opener;
    this.at("detail-picture").src = asset.web;
    this.at("detail-picture").alt = this.altOf(asset);
    this.at("detail-title").textContent = this.titleOf(asset);
    this.at("detail-description").textContent = (this.chinese && asset.description_zh) || asset.description;
    this.showFacts(asset);
    this.at("try").open = false;
    this.at("try").hidden = !WORN.includes(asset.kind);
    this.at("detail").showModal();
  }

  showFacts(asset) {
    const list = this.at("detail-facts");
    const facts = [
      [list.dataset.sku, asset.skus.map((link) => link.code).join(", ")],
      [list.dataset.tags, asset.tags.map((tag) => (this.chinese && tag.label_zh) || tag.label || tag.slug).join(", ")],
      [list.dataset.credit, asset.credit],
    ];
    list.replaceChildren(
      ...facts.filter(([, value]) => value).flatMap(([name, value]) => {
        const [term, told] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = name;
        told.textContent = value;
        return [term, told];
      }),
    );
  }

  // ── Trying on ──

  sayOfTry(sentence) {
    this.at("try-said").textContent = sentence;
  }

  async askConsent() {
    this.at("key-form").hidden = Boolean(this.client.key);
    this.at("try-form").hidden = true;
    this.sayOfTry("");
    if (!this.client.key) return;
    try {
      this.at("consent-text").textContent = (await this.client.consent()).text;
      this.at("try-form").hidden = false;
    } catch (problem) {
      this.sayOfTry(this.refusal(problem));
      this.forgetKey();
    }
  }

  refusal(problem) {
    if (problem.status === 401) return this.text.textNoKey;
    if (problem.status === 403) return this.text.textNotAllowed;
    return (problem.status && this.sentence(problem)) || this.text.textAway;
  }

  takeKey(event) {
    event.preventDefault();
    this.client.key = this.at("key").value.trim();
    this.at("key").value = "";
    sessionStorage.setItem(KEY, this.client.key);
    this.askConsent();
  }

  forgetKey() {
    this.client.key = "";
    sessionStorage.removeItem(KEY);
    this.at("key-form").hidden = false;
  }

  async tryOn(event) {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    this.at("try-result").hidden = true;
    this.sayOfTry(this.text.textMaking);
    try {
      this.person = await this.client.tryOn(this.at("photo").files[0], this.shown.id);
      this.at("forget").hidden = false;
      this.showTry(await this.made());
    } catch (problem) {
      this.sayOfTry(this.refusal(problem));
    } finally {
      button.disabled = false;
    }
  }

  // The result, once it has ended one way or the other.
  async made() {
    for (;;) {
      const [row] = await this.client.tryOnResults(this.person);
      if (row && (row.ready || ["failed", "blocked", "cancelled", "over_budget"].includes(row.state))) return row;
      await new Promise((go) => setTimeout(go, EVERY_MS));
    }
  }

  async showTry(row) {
    if (!row.ready) return this.sayOfTry(this.text.textNotMade.replace("%s", row.reason || row.state));
    const picture = this.at("try-result");
    picture.src = URL.createObjectURL(await this.client.tryOnPicture(this.person, row.item));
    picture.hidden = false;
    this.sayOfTry(this.text.textMade);
  }

  async forget() {
    try {
      await this.client.forget(this.person);
    } catch (problem) {
      return this.sayOfTry(this.refusal(problem));
    }
    const picture = this.at("try-result");
    URL.revokeObjectURL(picture.src);
    picture.removeAttribute("src");
    picture.hidden = this.at("forget").hidden = true;
    this.at("try-form").reset();
    this.sayOfTry(this.text.textDeleted);
  }
}
