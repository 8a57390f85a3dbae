// A client of the tus protocol: one file, in pieces, that goes on after breaks and after a reload.
"use strict";

const TUS_PIECE = 8 * 1024 * 1024; // proxies often refuse more in one request
const TUS_WAITS = [500, 1000, 2000, 5000, 10000, 20000, 30000]; // ms before each try after a break
const TUS_PREFIX = "atelier-upload:";

// What became of a request; status 0: nobody answered.
class TusAnswer {
  constructor(request) {
    this.status = request.status;
    this.header = (name) => request.getResponseHeader(name);
    this.body = request.response;
  }

  get isTemporary() {
    return [0, 409, 423, 429].includes(this.status) || this.status >= 500;
  }
}

// One upload. `options`: endpoint, headers, metadata (texts), and the callbacks
//   progress(sent)     so many bytes have arrived, or are on their way
//   state(name)        "sending", "working", "waiting" (for the connection), "paused"
//   done(outcome)      what the server says of the complete file
//   failed(answer)     it cannot go on by itself; `start()` tries again
class TusUpload {
  constructor(file, options) {
    this.file = file;
    this.options = options;
    this.address = null;
    this.offset = 0;
    this.request = null;
    this.running = false;
    this.key = `${TUS_PREFIX}${options.account}:${pathOf(file)}:${file.size}:${file.lastModified}`;
  }

  // Begin, or go on: after a pause, a failure, or a reload.
  async start() {
    if (this.running) return;
    this.running = true;
    let tries = 0;
    while (this.running) {
      this.options.state("sending");
      const before = this.offset;
      const answer = await this.advance();
      if (!this.running || answer === null) break;
      if (!answer.isTemporary) return this.fail(answer);
      if (this.offset !== before) tries = 0;
      if (tries >= TUS_WAITS.length) return this.fail(answer);
      this.options.state("waiting");
      await this.waitFor(TUS_WAITS[tries++]);
    }
  }

  // Say something else about the file; it counts where the server has nothing of it yet.
  describe(metadata) {
    this.options.metadata = metadata;
  }

  // Stop sending; what has arrived stays on the server.
  pause() {
    this.running = false;
    if (this.request) this.request.abort();
    if (this.wake) this.wake();
    this.options.state("paused");
  }

  // Give it up, here and on the server.
  async cancel() {
    this.running = false;
    if (this.request) this.request.abort();
    const address = this.address || this.remembered();
    this.forget();
    if (address) await this.send("DELETE", address, {});
  }

  fail(answer) {
    this.running = false;
    this.options.failed(answer);
  }

  // As far as it goes: null at the end, or the answer that stopped it.
  async advance() {
    const found = await this.locate();
    if (found) return found;
    while (this.running) {
      const piece = this.file.slice(this.offset, this.offset + TUS_PIECE);
      if (this.offset + piece.size >= this.file.size) this.isLastPiece = true;
      const answer = await this.send("PATCH", this.address, this.pieceHeaders(), piece);
      if (answer.status !== 204) return answer;
      this.offset = Number(answer.header("Upload-Offset"));
      this.options.progress(this.offset);
      if (this.offset >= this.file.size) return this.finish();
    }
    return null;
  }

  // Where the upload lies and how far it is; an answer only where that cannot be said.
  async locate() {
    this.address = this.address || this.remembered();
    if (this.address) {
      const answer = await this.send("HEAD", this.address, {});
      if (answer.status === 200) {
        this.offset = Number(answer.header("Upload-Offset"));
        this.options.progress(this.offset);
        return undefined;
      }
      if (![404, 410].includes(answer.status)) return answer;
      this.forget(); // expired: begin anew
    }
    return this.create();
  }

  async create() {
    this.offset = 0;
    const headers = { "Upload-Length": this.file.size, "Upload-Metadata": encodeMetadata(this.options.metadata) };
    const answer = await this.send("POST", this.options.endpoint, headers);
    if (answer.status !== 201) return answer;
    this.address = answer.header("Location");
    this.remember();
    return undefined;
  }

  // Ask what became of the complete file.
  async finish() {
    const answer = await this.send("GET", this.address, {});
    if (answer.status !== 200) return answer;
    if (answer.body.state === "receiving") return new TusAnswer({ ...UNAVAILABLE, response: answer.body });
    this.running = false;
    this.forget();
    this.options.done(answer.body);
    return null;
  }

  pieceHeaders() {
    return { "Upload-Offset": this.offset, "Content-Type": "application/offset+octet-stream" };
  }

  send(method, address, headers, piece) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest(); // fetch() cannot tell how much has been sent
      this.request = request;
      request.open(method, address);
      const all = { "Tus-Resumable": "1.0.0", Accept: "application/json", ...this.options.headers, ...headers };
      for (const [name, value] of Object.entries(all)) request.setRequestHeader(name, value);
      request.responseType = "json";
      if (piece) {
        const start = this.offset;
        request.upload.addEventListener("progress", (event) => this.options.progress(start + event.loaded));
        request.upload.addEventListener("load", () => {
          if (this.isLastPiece) this.options.state("working");
        });
      }
      request.addEventListener("loadend", () => {
        this.request = null;
        resolve(new TusAnswer(request));
      });
      request.send(piece || null);
    });
  }

  // Until the time is over, the connection is back, or somebody presses a button.
  waitFor(milliseconds) {
    return new Promise((resolve) => {
      this.wake = resolve;
      window.addEventListener("online", resolve, { once: true });
      if (navigator.onLine) setTimeout(resolve, milliseconds);
    });
  }

  remembered() {
    try {
      return localStorage.getItem(this.key);
    } catch {
      return null; // the browser keeps nothing for this site
    }
  }

  remember() {
    try {
      localStorage.setItem(this.key, this.address);
    } catch {
      // then it goes on after a break, but not after a reload
    }
  }

  forget() {
    this.address = null;
    try {
      localStorage.removeItem(this.key);
    } catch {
      // nothing was remembered
    }
  }
}

// The storage is away: the server has the file and takes it in later.
const UNAVAILABLE = { status: 503, getResponseHeader: () => null };

function encodeMetadata(metadata) {
  const pairs = Object.entries(metadata).filter(([, text]) => text);
  return pairs.map(([key, text]) => `${key} ${encodeBase64(text)}`).join(",");
}

function encodeBase64(text) {
  let bytes = "";
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return btoa(bytes);
}

// Files of a dropped folder do not say where they lay, as those of a chosen folder do.
const droppedPaths = new WeakMap();

// Tells two files of one name apart, in the list as in the memory of what was sent.
function pathOf(file) {
  return droppedPaths.get(file) || file.webkitRelativePath || file.name;
}

// The files of what was dropped, those in folders and below them too; hidden ones belong to the system.
async function filesDropped(transfer) {
  const entries = Array.from(transfer.items || [], (item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  if (!entries.some(Boolean)) return Array.from(transfer.files);
  const found = [];
  for (const entry of entries) if (entry) await collectFiles(entry, found);
  return found;
}

async function collectFiles(entry, found) {
  if (isHidden(entry.name)) return;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) {
      droppedPaths.set(file, entry.fullPath.slice(1));
      found.push(file);
    }
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([]))); // 100 at most
    if (!some.length) return;
    for (const below of some) await collectFiles(below, found);
  }
}

function isHidden(name) {
  return name.startsWith(".") || name === "__MACOSX" || name === "Thumbs.db";
}
