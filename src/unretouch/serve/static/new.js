"use strict";
// A new run: pairs, and untouched photos beside them, are sent one after the other and looked at;
// then it is begun.
(() => {
  const app = document.getElementById("app");
  const form = document.getElementById("form");
  const entries = [];
  let draft = null;
  let last = 0;
  let chain = Promise.resolve();
  let earlier = [];
  let matching = 0; // drops whose files have not all looked for their partners yet

  const kind = () => document.querySelector("input[name=kind]:checked").value;
  const aim = () => document.querySelector("input[name=aim]:checked").value;
  const preset = () => document.querySelector("input[name=preset]:checked").value;

  // Photos beside the pairs: further ones to learn from, and one without an answer to look at.
  const PHOTOS = ["untouched", "watched"];

  class Entry {
    // `names` are what its files are called, by side. Numbers are times, so that two windows do not
    // meet in one.
    constructor(kind, names, number = Math.max(last + 1, Date.now())) {
      this.number = last = number;
      this.kind = kind;
      this.names = names;
      this.state = "sending";
      this.build();
      const list = PHOTOS.includes(kind) ? `gathered-${kind}` : "gathered";
      document.getElementById(list).append(this.node);
      entries.push(this);
    }

    get name() {
      const names = Object.keys(this.names).sort().map((side) => this.names[side]);
      if (this.options?.swapped) names.reverse();
      return [...new Set(names)].join(" + ");
    }

    get missing() {
      const there = Object.keys(this.names);
      return this.kind === "two" && there.length === 1 ? (there[0] === "a" ? "b" : "a") : "";
    }

    // Others wait for the side that this one is, under other names.
    get isAmongStrangers() {
      return !matching && entries.some((entry) => entry.state === "waiting" && entry.missing && entry.missing !== this.missing);
    }

    build() {
      this.node = App.element("li", "entry");
      this.pictures = App.element("button", "thumbs");
      this.pictures.type = "button";
      this.pictures.hidden = true;
      this.pictures.addEventListener("click", () => Files.look(this.name, this.sides("view")));
      const text = App.element("div", "entry-text");
      this.title = App.element("h3");
      this.line = App.element("p", "help");
      this.doubts = App.element("ul", "doubts");
      this.keep = App.element("input");
      this.keep.type = "checkbox";
      this.keep.addEventListener("change", tally);
      this.keepRow = App.element("label", "switch keep");
      this.keepRow.append(this.keep, App.element("span", "", N_("keep for checking")));
      text.append(this.title, this.line, this.doubts, this.keepRow);
      this.buttons = App.element("div", "entry-actions");
      this.align = this.button(N_("Align"), () => this.look({ align: !this.options?.align }));
      this.swap = this.button(N_("Swap sides"), () => this.look({ swapped: !this.options?.swapped }));
      this.remover = this.button(N_("Remove"), () => this.remove());
      this.node.append(this.pictures, text, this.buttons);
    }

    button(word, act) {
      const made = App.element("button", "button small", word);
      made.type = "button";
      made.addEventListener("click", act);
      this.buttons.append(made);
      return made;
    }

    describe() {
      this.node.dataset.state = this.state;
      this.title.textContent = this.name;
      this.remover.setAttribute("aria-label", _("Remove {name}", { name: this.name }));
      this.pictures.setAttribute("aria-label", _("Look closely at {name}", { name: this.name }));
      const hopeless = this.state === "bad" && !this.found?.alignable;
      this.swap.hidden = hopeless || !(this.looked && ["whole", "two"].includes(this.kind));
      this.align.hidden = !(this.looked && (this.found?.alignable || this.options?.align));
      Page.setWord(this.align, this.options?.align ? N_("Do not align") : N_("Align"));
      for (const made of [this.swap, this.align]) made.disabled = this.state === "checking";
      const found = this.found;
      this.keepRow.hidden = this.state !== "ready" || PHOTOS.includes(this.kind);
      let line = "";
      if (this.missing && this.state !== "bad") {
        line = this.isAmongStrangers ? _("No partner of this name. Give both files the same name and drop them again.")
          : this.missing === "b"
          ? _("B, before retouching, is missing: drop it, too.")
          : _("A, retouched, is missing: drop it, too.");
      }
      if (this.state === "sending") line = _("Sending…");
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
      const twin = this.state === "ready" && this.twin();
      if (twin) told.push(_("The same two pictures as {name}.", { name: twin.name }));
      this.doubts.replaceChildren(...told.map((words) => {
        const item = App.element("li");
        item.textContent = words;
        return item;
      }));
      this.doubts.hidden = !told.length;
      tally();
    }

    twin() {
      const before = entries.slice(0, entries.indexOf(this));
      return this.found.pictures && before.find((e) => e.found?.pictures === this.found.pictures);
    }

    setState(state) {
      this.state = state;
      this.describe();
    }

    fail(refusal) {
      this.refusal = refusal.text ? refusal : { text: String(refusal) };
      this.setState("bad");
    }

    get place() { return `api/drafts/${draft}/${this.number}`; }

    // The pictures of its sides; of another time than before, so that none is shown from a cache.
    sides(size) {
      const words = this.kind === "untouched" ? { b: N_("Untouched") }
        : this.kind === "watched" ? { b: N_("Test photo") } : { a: N_("A, retouched"), b: N_("B, before") };
      return Object.entries(words).map(([side, word]) => (
        { word, url: new URL(`${this.place}/${size}/${side}?at=${this.shown}`, App.root) }));
    }

    show() {
      this.looked = true;
      this.shown = Date.now();
      this.pictures.hidden = false;
      this.pictures.replaceChildren(...this.sides("thumbnail").map(({ word, url }) => {
        const figure = App.element("figure");
        const image = App.element("img");
        image.src = url;
        image.alt = "";
        image.addEventListener("error", () => { this.pictures.hidden = true; });
        figure.append(image, App.element("figcaption", "", word));
        return figure;
      }));
    }

    async send(side, file) {
      if (this.gone) return;
      try {
        const name = new URLSearchParams({ name: file.name });
        const part = side === "watched" ? "untouched" : side;
        await App.ask("PUT", `${this.place}/${part}?${name}`, file);
        this.arrived = true;
        if (this.missing) this.setState("waiting");
        else await this.check();
      } catch (error) {
        this.fail(error);
      }
    }

    // Look at it once more, in another way than before.
    look(changed) {
      this.setState("checking");
      queue(() => this.check(changed));
    }

    async check(changed = {}) {
      if (this.gone) return;
      try {
        this.setState("checking");
        this.options = { ...this.options, ...changed };
        this.take(await (await this.patiently(() => App.ask("POST", `${this.place}/check`, this.options))).json());
      } catch (error) {
        this.fail(error);
      }
    }

    // It is something else by now: a side has found the other, or has become a whole pair.
    async become({ names, swapped, align }) {
      this.names = names;
      this.kind = kindOf(names);
      this.options = { swapped, align };
      this.found = null;
      if (!this.missing) return this.check();
      this.looked = false;
      this.pictures.hidden = true;
      this.setState("waiting");
    }

    take(found) {
      this.found = found;
      const { problem } = found;
      if (found.pictured) this.show();
      if (problem) this.fail({ get text() { return _(problem.message, problem.values); } });
      else this.setState("ready");
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

    drop() {
      this.gone = true;
      entries.splice(entries.indexOf(this), 1);
      for (const image of this.pictures.querySelectorAll("img")) image.removeAttribute("src"); // still on its way
      this.node.remove();
    }

    remove() {
      const next = this.node.nextElementSibling || this.node.previousElementSibling;
      this.drop();
      if (draft) App.ask("DELETE", this.place).catch(() => {});
      for (const entry of entries) entry.describe();
      tally();
      const group = PHOTOS.includes(this.kind) ? "aim" : "kind";
      (next?.querySelector(".entry-actions button:last-child") ||
        document.querySelector(`input[name=${group}]:checked`)).focus();
    }
  }

  // What a pair or a photo is by the sides there are of it.
  function kindOf(names) {
    const [side] = Object.keys(names);
    return ["a", "b"].includes(side) ? "two" : side;
  }

  function queue(act) {
    chain = chain.then(act);
  }

  async function needDraft() {
    if (draft) return;
    draft = (await (await App.ask("POST", "api/drafts", {})).json()).draft;
    Page.remember.set("draft", draft);
  }

  // What cannot be taken is said at once, not when its turn comes.
  async function take(side, files) {
    App.showMessage(null);
    if (side === "watched") {
      for (const entry of entries.filter((e) => e.kind === "watched")) entry.remove();
      files.splice(1);
    }
    const isSide = side === "a" || side === "b";
    const mayBeSide = isSide || side === "whole";
    if (mayBeSide) matching += 1;
    const limit = Number(app.dataset.pairs);
    const alike = entries.filter((e) => PHOTOS.includes(side) === PHOTOS.includes(e.kind) &&
      e.state !== "bad" && (side in e.names || side.length > 1));
    const room = Math.max(0, limit - alike.length);
    const ordered = files.sort((one, two) => one.name.localeCompare(two.name));
    if (ordered.length > room) {
      App.showMessage(new App.Refusal(N_("At most {limit} are taken; {count} of these files were left out."),
        { limit, count: ordered.length - room }));
    }
    const taken = ordered.slice(0, room).map((file) => (
      { file, entry: new Entry(isSide ? "two" : side, { [side]: file.name }) }));
    for (const { entry } of taken) entry.describe();
    try { await needDraft(); } catch (error) { App.showMessage(error); }
    for (const { file, entry } of taken) {
      const refusal = await Files.refusePair(file, side === "whole" ? 2 : 1);
      if (refusal) entry.fail(refusal);
      else queue(() => entry.send(side, file));
    }
    if (mayBeSide) queue(() => bringTogether());
    rememberForm();
  }

  // Single pictures find their partners; `asked` may say what such pictures are.
  async function bringTogether(asked = {}) {
    try {
      // Small pictures on their way go where two become one.
      const images = [...document.querySelectorAll("#gathered img")];
      await Promise.all(images.map((image) => image.decode().catch(() => {})));
      const there = await (await App.ask("POST", `api/drafts/${draft}/partners`, asked)).json();
      const before = pairs().length;
      // Those that are a side of another one now go first: they are not there twice.
      for (const entry of pairs().filter((one) => one.arrived && !there[one.number])) entry.drop();
      for (const entry of pairs().filter((one) => one.arrived)) {
        const now = there[entry.number];
        if (JSON.stringify(now.names) !== JSON.stringify(entry.names)) await entry.become(now);
      }
      const met = pairs().length < before;
      if (met && !asked.kind && kind() === "whole" && !pairs().some(isWholePair)) choose("two");
    } catch (error) {
      App.showMessage(error);
    }
    matching -= 1;
    for (const entry of entries) entry.describe();
    rememberForm();
  }

  const isWholePair = (entry) => entry.kind === "whole" && entry.state === "ready";

  // Pictures that are no pair by themselves are looked at as what is chosen.
  function choose(chosen) {
    document.querySelector(`input[name=kind][value=${chosen}]`).checked = true;
    showKind();
    if (!draft) return;
    matching += 1;
    queue(() => bringTogether({ kind: chosen }));
  }

  // Entries of what lies on the server: after a reload, or of an earlier run.
  function showArrived(arrived, marks = {}) {
    for (const number of Object.keys(arrived).map(Number).sort((one, two) => one - two)) {
      if (entries.some((entry) => entry.number === number)) continue;
      const { names, swapped, align, found } = arrived[number];
      const isWatched = number === marks.watched;
      if (isWatched) document.getElementById("watched").open = true;
      const entry = new Entry(isWatched ? "watched" : kindOf(names), names, number);
      entry.arrived = true;
      entry.options = { swapped, align };
      entry.keep.checked = Boolean(marks.kept?.includes(number));
      if (entry.missing) entry.setState("waiting");
      else if (found) entry.take(found);
      else entry.look({});
    }
  }

  async function resume() {
    const known = Page.remember.get("draft");
    if (!known) return;
    let arrived;
    try {
      arrived = await (await App.ask("GET", `api/drafts/${known}`)).json();
    } catch (error) {
      if (error.status !== 404) throw error;
      return forget(); // of an app that has ended, or a run was made of it
    }
    draft = known;
    restoreForm();
    showArrived(arrived, JSON.parse(Page.remember.get("marks") || "{}"));
    if (entries.some((entry) => entry.missing)) {
      matching += 1;
      queue(() => bringTogether());
    }
    const shown = pairs()[0];
    if (shown) document.querySelector(`input[name=kind][value=${shown.kind}]`).checked = true;
  }

  function forget() {
    draft = null;
    Page.remember.set("draft", "");
    Page.remember.set("form", "");
    Page.remember.set("marks", "");
  }

  // What was chosen and written in the form, for a reload: browsers keep none of a private page.
  function rememberForm() {
    const inputs = [...form.querySelectorAll("input:not([type=file]), select, textarea")]
      .filter((input) => input.name || input.id);
    const marks = {
      watched: entries.find((entry) => entry.kind === "watched")?.number,
      kept: pairs().filter((entry) => entry.keep.checked).map((entry) => entry.number), // looked at or not yet
    };
    Page.remember.set("marks", JSON.stringify(marks));
    const values = inputs.map((input) => [input.name || input.id, input.type === "radio" || input.type === "checkbox"
      ? (input.checked ? input.value : null) : input.value]);
    Page.remember.set("form", JSON.stringify(values.filter(([, value]) => value !== null)));
  }

  function restoreForm() {
    for (const [key, value] of JSON.parse(Page.remember.get("form") || "[]")) {
      const choice = form.querySelector(`input[name="${key}"][value="${CSS.escape(value)}"]`);
      if (choice) choice.checked = true;
      else if (document.getElementById(key)?.closest("#form")) document.getElementById(key).value = value;
    }
  }

  // The pairs of an earlier run; with `all`, what else it was made of, and what was chosen for it.
  async function takePairsOf(run, asked = {}) {
    App.showMessage(null);
    await needDraft();
    const marks = await (await App.ask("POST", `api/drafts/${draft}/pairs-of/${run}`, asked)).json();
    if (marks.said.length) {
      App.showMessage({ get text() { return marks.said.map((said) => _(said.message, said.values)).join(" "); } });
    }
    showArrived(await (await App.ask("GET", `api/drafts/${draft}`)).json(), marks);
    const aimOf = document.querySelector(`input[name=aim][value=${marks.aim}]`);
    if (aimOf) aimOf.checked = true;
    if (marks.minutes) document.getElementById("minutes").value = marks.minutes;
    showAim();
    rememberForm();
  }

  function showEarlier() {
    document.getElementById("earlier").hidden = !earlier.length;
    const select = document.getElementById("earlier-run");
    select.replaceChildren(select.options[0], ...earlier.map((run) => {
      const option = App.element("option");
      option.value = run.id;
      option.textContent = run.name;
      return option;
    }));
  }

  const pairs = () => entries.filter((entry) => !PHOTOS.includes(entry.kind));
  const kept = () => pairs().filter((entry) => entry.state === "ready" && entry.keep.checked);
  const ready = (some) => some.filter((entry) => entry.state === "ready").length;

  function tally() {
    const photos = entries.filter((entry) => entry.kind === "untouched");
    const trained = ready(pairs()) - kept().length;
    for (const [id, some, said] of [
      ["tally", pairs(), ngettext("{count} pair to train on", "{count} pairs to train on", trained)],
      ["tally-untouched", photos,
        ngettext("{count} photo is ready", "{count} photos are ready", ready(photos))],
    ]) {
      const bad = some.filter((entry) => entry.state === "bad" || entry.state === "waiting").length;
      const parts = some.length ? [said] : [];
      const checking = id === "tally" ? kept().length : 0;
      if (checking) parts.push(_("{count} kept for checking", { count: checking }));
      if (bad) parts.push(_("{count} left out", { count: bad }));
      Page.setText(id, parts.join(" · "));
    }
    document.getElementById("swap-all").hidden = swapped().length < 2;
    document.getElementById("start-over").hidden = !pairs().length;
  }

  const swapped = () => entries.filter((entry) => entry.found?.swapped && entry.state === "ready");

  function showKind() {
    for (const drops of document.querySelectorAll(".drops[data-kind]")) drops.hidden = drops.dataset.kind !== kind();
  }

  // The commands of the guide memorise: there is nothing of them for other photos.
  function showAim() {
    const others = aim() !== "fit";
    document.getElementById("also").hidden = !others;
    for (const choice of document.querySelectorAll(".memorises")) choice.hidden = others;
    if (others) document.querySelector("input[name=preset][value=fast]").checked = true;
    if (preset() !== "fast") document.getElementById("guide").open = true;
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
      })).json();
      forget();
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

  const showName = () => App.showName(document.getElementById("name"), document.getElementById("name-told"));

  // A name that is free, so that nobody has to think of one.
  async function proposeName() {
    const input = document.getElementById("name");
    const runs = await (await App.ask("GET", "api/runs")).json();
    earlier = runs.filter((run) => run.budget);
    showEarlier();
    const taken = new Set(runs.map((run) => run.name));
    const first = input.value;
    for (let number = 2; taken.has(input.value); number += 1) input.value = `${first}_${number}`;
    showName();
  }

  for (const side of ["whole", "a", "b", "photo", "untouched", "watched"]) App.takeFiles(side, (files) => take(side, files));
  document.getElementById("kinds").addEventListener("change", () => choose(kind()));
  document.getElementById("aims").addEventListener("change", showAim);
  document.getElementById("minutes").addEventListener("focus", () => {
    document.querySelector("input[name=preset][value=fast]").checked = true;
  });
  document.getElementById("swap-all").addEventListener("click", () => {
    for (const entry of swapped()) entry.look({ swapped: !entry.options?.swapped });
  });
  document.getElementById("start-over").addEventListener("click", () => {
    for (const entry of pairs()) entry.remove();
  });
  document.getElementById("earlier-run").addEventListener("change", (event) => {
    if (event.target.value) takePairsOf(event.target.value).catch(App.showMessage);
    event.target.value = "";
  });
  document.getElementById("name").addEventListener("input", showName);
  for (const change of ["input", "change"]) form.addEventListener(change, rememberForm);
  form.addEventListener("submit", start);
  Page.onLanguage(describeAll);
  Page.start();
  showKind();
  showAim();
  (async () => {
    await resume();
    showKind();
    showAim();
    await proposeName();
    const from = new URLSearchParams(location.search).get("pairs-of");
    history.replaceState(null, "", location.pathname);
    if (from) await takePairsOf(from, { all: true });
  })().catch(App.showMessage);
})();
