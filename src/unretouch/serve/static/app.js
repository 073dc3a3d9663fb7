"use strict";
// What the pages of the app share: asking the server, saying why it refused, files from a reader.
const App = (() => {
  const app = document.getElementById("app");
  const root = new URL(app.dataset.root || "./", location.href);
  const UNREACHABLE = N_(
    "The app does not answer. Start it again: unretouch serve. A training goes on meanwhile."
  );
  const [PICTURES, RAW] = [app.dataset.endings, app.dataset.raw].map((text) => (text || "").split(" "));
  const NEW_ADDRESS = N_(
    "The app has been started anew, and its address is another one. Open the address that " +
    "“unretouch serve” printed when it started."
  );

  class Refusal extends Error {
    constructor(message, values, status) {
      super(message);
      this.values = values;
      this.status = status;
    }
    get text() { return _(this.message, this.values); }
  }

  async function ask(method, path, body, options = {}) {
    const headers = {};
    if (body instanceof Blob) headers["Content-Type"] = body.type || "application/octet-stream";
    else if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      body = JSON.stringify(body);
    }
    let answer;
    try {
      answer = await fetch(new URL(path, root), { method, headers, body, signal: options.signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refusal(UNREACHABLE, {}, 0);
    }
    if (answer.ok) return answer;
    let told = { message: N_("It did not work: {text}"), values: { text: String(answer.status) } };
    try {
      told = await answer.json();
    } catch {
      // Not ours: a plain refusal, which the guard before the app gives to an address of before.
      if (answer.status === 403) throw new Refusal(NEW_ADDRESS, {}, 403);
    }
    throw new Refusal(told.message, told.values, answer.status);
  }

  // Why a file cannot be sent, before it is: the server would say the same.
  function refuse(file) {
    if (![...PICTURES, ...RAW].includes(endingOf(file))) {
      return new Refusal(N_("This is not a picture that can be read. Save it as PNG, JPEG or TIFF."), {}, 415);
    }
    if (app.dataset.lacking.split(" ").includes(endingOf(file))) {
      const command = "pip install '.[photo]'";
      return new Refusal(N_("HEIC and RAW need an extra. In the folder of unretouch: {command}"), { command }, 415);
    }
    return refuseBytes(file);
  }

  function refuseBytes(file) {
    const most = Number(app.dataset.bytes);
    const limit = Math.floor(most / 1e6);
    if (file.size > most) return new Refusal(N_("The file is larger than {limit} MB."), { limit }, 413);
    return null;
  }

  const endingOf = (file) => (/\.[^.]*$/.exec(file.name)?.[0] ?? "").toLowerCase();

  function element(tag, className, word) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (word) Page.setWord(made, word);
    return made;
  }

  // A bar that has nothing to show yet moves.
  function setBar(bar, share) {
    if (share) bar.value = share;
    else bar.removeAttribute("value");
  }

  // Files dropped on a label, or chosen in its input.
  function takeFiles(id, take) {
    const label = document.getElementById(`drop-${id}`);
    const input = document.getElementById(`files-${id}`);
    input.addEventListener("change", () => {
      take([...input.files]);
      input.value = "";
    });
    let depth = 0;
    label.addEventListener("dragenter", (event) => {
      event.preventDefault();
      depth += 1;
      label.classList.add("over");
    });
    label.addEventListener("dragleave", () => {
      depth -= 1;
      if (!depth) label.classList.remove("over");
    });
    label.addEventListener("dragover", (event) => event.preventDefault());
    label.addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      label.classList.remove("over");
      filesIn(event.dataTransfer).then(take);
    });
  }

  // The files that were dropped, those in folders too; `folders` of a file says where it was.
  async function filesIn(transfer) {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
    return (await Promise.all(entries.map(filesBelow))).flat();
  }

  async function filesBelow(entry) {
    if (entry.name.startsWith(".")) return [];
    if (entry.isFile) {
      const file = await new Promise((done, failed) => { entry.file(done, failed); });
      return [Object.assign(file, { folders: entry.fullPath.slice(1) })];
    }
    const reader = entry.createReader();
    const found = [];
    for (;;) { // a reader tells of a hundred at a time
      const some = await new Promise((done, failed) => { reader.readEntries(done, failed); });
      if (!some.length) break;
      found.push(...some);
    }
    found.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
    return (await Promise.all(found.map(filesBelow))).flat();
  }
  // A file dropped beside a zone would replace the page.
  for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());

  // Whether the app can be reached at all is said once, in a place of its own.
  const isLost = (error) => error?.message === UNREACHABLE || error?.message === NEW_ADDRESS;
  function showLost(error) {
    const box = document.getElementById("unreachable");
    box.hidden = !error;
    if (error) Page.setWord(box, error.message);
  }

  let messageOf = null;
  function showMessage(refusal, id = "message") {
    if (isLost(refusal)) {
      showLost(refusal);
      refusal = null;
    }
    messageOf = refusal ? { refusal, id } : null;
    const box = document.getElementById(id);
    box.hidden = !refusal;
    Page.setText(id, refusal ? (refusal.text || String(refusal)) : "");
  }
  Page.onLanguage(() => { if (messageOf) showMessage(messageOf.refusal, messageOf.id); });

  return {
    root, run: app.dataset.run, Refusal, isLost, ask, refuse, refuseBytes, endingOf, element, setBar, takeFiles, showMessage,
    // Ask again and again; a page in the background asks less.
    async poll(path, show, everyMs) {
      for (;;) {
        try {
          const found = await (await ask("GET", path)).json();
          showLost(null);
          show(found);
        } catch (error) {
          if (!isLost(error)) throw error;
          showLost(error);
          if (error.status) return; // at this address it will not come back
        }
        await new Promise((done) => { setTimeout(done, document.hidden ? 4 * everyMs : everyMs); });
      }
    },
    // What will become of a name of a run, and how much room is left: a letter of Korean takes three
    // bytes. `parent` is the folder that it lies in, which is written before it.
    showName(input, told, parent = "") {
      const most = Number(app.dataset.nameBytes);
      const written = input.value.startsWith(parent) ? input.value.slice(parent.length) : input.value;
      const name = written.normalize("NFC").trim().replace(/\p{Zs}/gu, "_");
      const bytes = new TextEncoder().encode(name).length;
      const bad = [...new Set(name.match(/[^\p{L}\p{Nd}\p{Mn}\p{Mc}._-]/gu) || [])];
      const words = [];
      if (bad.length) words.push(_("cannot be used: {characters}", { characters: bad.map((one) => `“${one}”`).join(" ") }));
      else if (name && name !== written) words.push(_("will be called {name}", { name }));
      if (bytes > most) words.push(_("too long: {bytes} of {most} bytes", { bytes, most }));
      else if (bytes > 0.6 * most) words.push(_("{bytes} of {most} bytes", { bytes, most }));
      const wrong = Boolean(bad.length) || bytes > most;
      input.setAttribute("aria-invalid", String(wrong));
      told.classList.toggle("wrong", wrong);
      told.textContent = words.join(" · ");
    },
    // How far something is that nobody has to wait for, in a row of the page; `stop` ends it.
    showProgress(row, { doing, elapsed_s, left_s }, stop) {
      if (!row.childElementCount) {
        const button = element("button", "button small", N_("Cancel"));
        button.type = "button";
        button.addEventListener("click", () => stop(button));
        const bar = element("progress");
        bar.max = 1;
        row.append(element("span", "doing"), element("span", "help"), button, bar);
      }
      row.querySelector(".doing").textContent = _(doing.message, doing.values);
      const times = [];
      if (elapsed_s !== null) times.push(_("{time} so far", { time: Page.duration(elapsed_s) }));
      if (left_s !== null) times.push(left_s < 1 ? _("almost done") : _("about {time} left", { time: Page.duration(left_s) }));
      row.querySelector(".help").textContent = times.join(" · ");
      const bar = row.querySelector("progress");
      bar.setAttribute("aria-label", _(doing.message, doing.values));
      setBar(bar, left_s === null ? 0 : elapsed_s / Math.max(1e-3, elapsed_s + left_s));
    },
    // A run of the same pairs for other photos.
    async trainForOthers() {
      const asked = { pairs_of: app.dataset.run, aim: "restore", minutes: 10 };
      const { id } = await (await ask("POST", "api/runs", asked)).json();
      location.href = new URL(`runs/${id}/`, root);
    },
    showLimits() {
      const pixels = Math.floor(Number(app.dataset.pixels) / 1e6);
      const pairs = Number(app.dataset.pairs);
      Page.setText("drop-limits", pairs
        ? _("PNG, JPEG, WebP, TIFF, HEIC or PSD, 8 or 16 bits, A and B up to {pixels} megapixels each; at most {pairs} pairs", { pixels, pairs })
        : _("PNG, JPEG, WebP, TIFF, HEIC or RAW, up to {pixels} megapixels each", { pixels }));
    },
  };
})();
