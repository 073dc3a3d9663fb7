"use strict";
// A new run: pairs, and untouched photos beside them, are sent one after the other and looked at;
// then it is begun.
(() => {
  const entries = [];
  let draft = null;
  let last = 0;
  let chain = Promise.resolve();

  const kind = () => document.querySelector("input[name=kind]:checked").value;
  const aim = () => document.querySelector("input[name=aim]:checked").value;
  const preset = () => document.querySelector("input[name=preset]:checked").value;
  const stem = (name) => name.normalize("NFC").replace(/\.[^.]*$/, "");

  // Photos beside the pairs: further ones to learn from, and one without an answer to look at.
  const PHOTOS = ["untouched", "watched"];

  class Entry {
    constructor(name, kindOf) {
      this.number = last += 1;
      this.name = name;
      this.kind = kindOf;
      this.files = {};
      this.state = "waiting";
      this.build();
      const list = PHOTOS.includes(kindOf) ? `gathered-${kindOf}` : "gathered";
      document.getElementById(list).append(this.node);
      entries.push(this);
    }

    build() {
      this.node = App.element("li", "entry");
      this.pictures = App.element("div", "thumbs");
      const text = App.element("div", "entry-text");
      this.title = App.element("h3");
      this.title.textContent = this.name;
      this.line = App.element("p", "help");
      this.doubts = App.element("ul", "doubts");
      this.keep = App.element("input");
      this.keep.type = "checkbox";
      this.keep.addEventListener("change", tally);
      this.keepRow = App.element("label", "switch keep");
      this.keepRow.append(this.keep, App.element("span", "", N_("keep for checking")));
      text.append(this.title, this.line, this.doubts, this.keepRow);
      const remove = App.element("button", "button small", N_("Remove"));
      remove.type = "button";
      remove.addEventListener("click", () => this.remove());
      this.button = remove;
      this.node.append(this.pictures, text, remove);
    }

    describe() {
      this.node.dataset.state = this.state;
      this.button.setAttribute("aria-label", _("Remove {name}", { name: this.name }));
      const found = this.found;
      this.keepRow.hidden = this.state !== "ready" || PHOTOS.includes(this.kind);
      let line = "";
      if (this.state === "waiting") line = _("waiting for its partner of the same name");
      else if (this.state === "sending") line = _("Sending…");
      else if (this.state === "checking") {
        line = this.kind === "photo" ? _("Simulating the retouch…") : _("Checking…");
      } else if (this.state === "ready") {
        line = [
          `${found.width} × ${found.height}`,
          ...(PHOTOS.includes(this.kind) ? []
            : [_("A and B differ by {value} grey levels", { value: Page.level(found.difference) })]),
          ...(found.doubts.length ? [] : [_("ready")]),
        ].join(" · ");
      }
      this.line.textContent = line;
      this.line.hidden = !line;
      const told = this.state === "ready" ? found.doubts.map((doubt) => _(doubt.message, doubt.values))
        : this.state === "bad" ? [this.refusal.text] : [];
      this.doubts.replaceChildren(...told.map((words) => {
        const item = App.element("li");
        item.textContent = words;
        return item;
      }));
      this.doubts.hidden = !told.length;
      tally();
    }

    setState(state) {
      this.state = state;
      this.describe();
    }

    show() {
      const sides = this.kind === "untouched" ? { b: N_("Untouched") }
        : this.kind === "watched" ? { b: N_("Test photo") } : { a: N_("A, retouched"), b: N_("B, before") };
      this.pictures.replaceChildren(...Object.entries(sides).map(([side, word]) => {
        const figure = App.element("figure");
        const image = App.element("img");
        image.src = new URL(`api/drafts/${draft}/${this.number}/thumbnail/${side}`, App.root);
        image.alt = "";
        figure.append(image, App.element("figcaption", "", word));
        return figure;
      }));
    }

    async send() {
      if (this.gone) return;
      try {
        this.setState("sending");
        draft ??= (await (await App.ask("POST", "api/drafts", {})).json()).draft;
        const place = `api/drafts/${draft}/${this.number}`;
        for (const [side, file] of Object.entries(this.files)) {
          const refusal = App.refuse(file);
          if (refusal) throw refusal;
          await App.ask("PUT", `${place}/${side === "watched" ? "untouched" : side}`, file);
        }
        this.setState("checking");
        const found = await (await this.patiently(() => App.ask("POST", `${place}/check`, {}))).json();
        if (found.problem) {
          const { problem } = found;
          throw { get text() { return _(problem.message, problem.values); } };
        }
        this.found = found;
        this.show();
        this.setState("ready");
      } catch (error) {
        this.refusal = error.text ? error : { text: String(error) };
        this.setState("bad");
      }
    }

    // While others' pictures fill the queue, wait for a place.
    async patiently(act) {
      for (;;) {
        try { return await act(); } catch (error) {
          if (error.status !== 503) throw error;
          await new Promise((done) => { setTimeout(done, 2000); });
        }
      }
    }

    remove() {
      this.gone = true;
      const next = this.node.nextElementSibling || this.node.previousElementSibling;
      entries.splice(entries.indexOf(this), 1);
      this.node.remove();
      if (draft) App.ask("DELETE", `api/drafts/${draft}/${this.number}`).catch(() => {});
      tally();
      const group = PHOTOS.includes(this.kind) ? "aim" : "kind";
      (next?.querySelector("button") || document.querySelector(`input[name=${group}]:checked`)).focus();
    }
  }

  function queue(entry) {
    chain = chain.then(() => entry.send());
  }

  function take(side, files) {
    App.showMessage(null);
    if (side === "watched") {
      for (const entry of entries.filter((e) => e.kind === "watched")) entry.remove();
      files.splice(1);
    }
    for (const file of files.sort((one, two) => one.name.localeCompare(two.name))) {
      if (side !== "a" && side !== "b") {
        const entry = new Entry(file.name, side);
        entry.files[side] = file;
        entry.setState("sending");
        queue(entry);
        continue;
      }
      const waiting = entries.find((e) => e.kind === "two" && e.state === "waiting" &&
        stem(e.name) === stem(file.name) && !e.files[side]);
      const entry = waiting || new Entry(file.name, "two");
      entry.files[side] = file;
      if (entry.files.a && entry.files.b) {
        entry.setState("sending");
        queue(entry);
      } else {
        entry.setState("waiting");
      }
    }
  }

  const pairs = () => entries.filter((entry) => !PHOTOS.includes(entry.kind));
  const kept = () => pairs().filter((entry) => entry.state === "ready" && entry.keep.checked);
  const ready = (some) => some.filter((entry) => entry.state === "ready").length;

  function tally() {
    const photos = entries.filter((entry) => entry.kind === "untouched");
    for (const [id, some, said] of [
      ["tally", pairs(), ngettext("{count} pair is ready", "{count} pairs are ready", ready(pairs()))],
      ["tally-untouched", photos,
        ngettext("{count} photo is ready", "{count} photos are ready", ready(photos))],
    ]) {
      const bad = some.filter((entry) => entry.state === "bad" || entry.state === "waiting").length;
      const parts = some.length ? [said] : [];
      const checking = id === "tally" ? kept().length : 0;
      if (checking) parts.push(_("{count} kept for checking, not trained on", { count: checking }));
      if (bad) parts.push(_("{count} left out", { count: bad }));
      Page.setText(id, parts.join(" · "));
    }
    const swapped = entries.some((entry) => entry.found?.swapped);
    const row = document.getElementById("swap-row");
    row.hidden = !(swapped || document.getElementById("swap").checked);
  }

  function showKind() {
    for (const drops of document.querySelectorAll(".drops[data-kind]")) drops.hidden = drops.dataset.kind !== kind();
  }

  // The commands of the guide memorise: there is nothing of them for other photos.
  function showAim() {
    const others = aim() !== "fit";
    document.getElementById("also").hidden = !others;
    for (const choice of document.querySelectorAll(".memorises")) choice.hidden = others;
    if (others) document.querySelector("input[name=preset][value=fast]").checked = true;
  }

  function describeAll() {
    App.showLimits();
    for (const guide of document.querySelectorAll(".guide")) {
      guide.textContent = _(
        "pix2pix at 512 × 512: lambda_L1 {weight}, {epochs} + {epochs} epochs, lr {lr}", guide.dataset
      );
    }
    for (const entry of entries) entry.describe();
    showName();
    document.title = `${_("New run")} · unretouch`;
  }

  async function start(event) {
    event.preventDefault();
    App.showMessage(null);
    const button = document.getElementById("start");
    button.disabled = true;
    Page.setWord(button, N_("Starting…"));
    try {
      await chain;
      if (!ready(pairs())) throw { text: _("Add at least one pair first.") };
      requireMinutes();
      const numbers = (some) => some.map((entry) => entry.number);
      const { id } = await (await App.ask("POST", "api/runs", {
        draft,
        name: document.getElementById("name").value.trim(),
        aim: aim(),
        checking: numbers(kept()),
        test_photo: numbers(entries.filter((e) => e.kind === "watched" && e.state === "ready")),
        preset: preset(),
        minutes: Number(document.getElementById("minutes").value),
        swapped: document.getElementById("swap").checked,
      })).json();
      location.href = new URL(`runs/${id}/`, App.root);
    } catch (error) {
      App.showMessage(error);
      button.disabled = false;
      Page.setWord(button, N_("Start training"));
    }
  }

  function requireMinutes() {
    const { value, min, max, valueAsNumber } = document.getElementById("minutes");
    if (preset() !== "fast") return;
    if (value && valueAsNumber >= Number(min) && valueAsNumber <= Number(max)) return;
    document.getElementById("minutes").focus();
    throw {
      get text() {
        return _("{field}: a number from {least} to {most}.",
          { field: _("Minutes"), least: min, most: Page.number(Number(max), 0) });
      },
    };
  }

  // What will become of the name, and how much room is left: a letter of Korean takes three bytes.
  function showName() {
    const input = document.getElementById("name");
    const most = Number(input.dataset.bytes);
    const name = input.value.normalize("NFC").trim().replace(/\p{Zs}/gu, "_");
    const bytes = new TextEncoder().encode(name).length;
    const bad = [...new Set(name.match(/[^\p{L}\p{Nd}\p{Mn}\p{Mc}._-]/gu) || [])];
    const told = [];
    if (bad.length) told.push(_("cannot be used: {characters}", { characters: bad.join(" ") }));
    else if (name && name !== input.value) told.push(_("will be called {name}", { name }));
    if (bytes > most) told.push(_("too long: {bytes} of {most} bytes", { bytes, most }));
    else if (bytes > 0.6 * most) told.push(_("{bytes} of {most} bytes", { bytes, most }));
    const wrong = Boolean(bad.length) || bytes > most;
    input.setAttribute("aria-invalid", String(wrong));
    document.getElementById("name-told").classList.toggle("wrong", wrong);
    Page.setText("name-told", told.join(" · "));
  }

  // A name that is free, so that nobody has to think of one.
  async function proposeName() {
    const input = document.getElementById("name");
    const taken = new Set((await (await App.ask("GET", "api/runs")).json()).map((run) => run.name));
    const first = input.value;
    for (let number = 2; taken.has(input.value); number += 1) input.value = `${first}_${number}`;
    showName();
  }

  for (const side of ["whole", "a", "b", "photo", "untouched", "watched"]) App.takeFiles(side, (files) => take(side, files));
  document.getElementById("kinds").addEventListener("change", showKind);
  document.getElementById("aims").addEventListener("change", showAim);
  document.getElementById("minutes").addEventListener("focus", () => {
    document.querySelector("input[name=preset][value=fast]").checked = true;
  });
  document.getElementById("name").addEventListener("input", showName);
  document.getElementById("form").addEventListener("submit", start);
  Page.onLanguage(describeAll);
  Page.start();
  showKind();
  showAim();
  proposeName().catch(App.showMessage);
})();
