// Atelier's REST API as a storefront needs it. No library, no session: copy it into a shop of your own.
"use strict";

class AtelierProblem extends Error {
  // An answer that is an error (RFC 9457); status 0: there was none.
  constructor(status, told, retryAfter) {
    super(told.detail || told.title || "");
    this.status = status;
    this.told = told;
    this.retryAfter = retryAfter;
  }
}

class AtelierClient {
  // root: address of /api/v1/; key: of an account, for what the public may not do.
  constructor(root, { key = "", language = "en" } = {}) {
    this.root = root;
    this.key = key;
    this.language = language;
  }

  // Words and filters; `next` of the answer goes into `cursor` for the page after it.
  search(query) {
    return this.json(`search/?${this.query(query)}`);
  }

  searchByPicture(file, query = {}) {
    const form = new FormData();
    form.append("image", file);
    for (const [name, value] of Object.entries(query)) if (value) form.append(name, value);
    return this.json("search/", { method: "POST", body: form });
  }

  similar(id, query = {}) {
    return this.json(`assets/${id}/similar/?${this.query(query)}`);
  }

  asset(id) {
    return this.json(`assets/${id}/`);
  }

  consent() {
    return this.json("generation/try-ons/consent/");
  }

  async tryOn(photo, garment) {
    const form = new FormData();
    form.append("photo", photo);
    form.append("consent", "true");
    const person = await this.json("generation/try-ons/", { method: "POST", body: form });
    await this.json(`generation/try-ons/${person.id}/run/`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ garments: garment }),
    });
    return person.id;
  }

  tryOnResults(person) {
    return this.json(`generation/try-ons/${person}/results/`);
  }

  async tryOnPicture(person, item) {
    return (await this.ask(`generation/try-ons/${person}/results/${item}/`)).blob();
  }

  async forget(person) {
    await this.ask(`generation/try-ons/${person}/`, { method: "DELETE" });
  }

  query(given) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(given)) if (value !== "" && value != null) query.append(name, value);
    return query.toString();
  }

  async json(path, options) {
    return (await this.ask(path, options)).json();
  }

  async ask(path, options = {}) {
    const headers = { Accept: "application/json", "Accept-Language": this.language, ...options.headers };
    if (this.key) headers.Authorization = `${this.key.startsWith("atl_") ? "Bearer" : "Token"} ${this.key}`;
    let answer;
    try {
      answer = await fetch(this.root + path, { ...options, headers, credentials: "omit" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new AtelierProblem(0, {}, 0);
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new AtelierProblem(answer.status, told, Number(answer.headers.get("Retry-After")) || 0);
  }
}
