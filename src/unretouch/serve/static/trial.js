"use strict";
// Photographs are sent, restored one after the other by the app, and finished here.
(() => {
  const SIZES = ["fine", "medium", "coarse"];
  const { mask: usual } = document.getElementById("app").dataset;
  const GUESSED = document.getElementById("guess") ? ["guess"] : []; // most models guess nothing
  const AS_IT_COMES = { strength: null, fine: 1, medium: 1, coarse: 1, guess: 1, mask: usual, painted: "" };
  const base = `api/runs/${App.run}/photos`;
  const form = document.getElementById("settings");
  const list = document.getElementById("photos");
  const epoch = /^(best|\d{1,9}|iter_\d{1,9})$/.exec(new URLSearchParams(location.search).get("epoch"))?.[0] || "latest";

  let told = null; // what the server said last
  let next = { ...AS_IT_COMES }; // of photos to come: what was asked for all
  let current = null; // the photo that is open: its id
  let chosen = null; // how it is to be restored
  let unsent = 0; // files on their way
  let noting = Promise.resolve();
  let noteLater = 0;
  let dirty = false; // painted, and not sent yet
  let opening = null; // the photo to be opened once it is restored
  let guessing = false; // the network is being asked for it again
  const cards = new Map();
  const savings = new Map(); // of a photo, by its id: how far its file is, as its card says

  const photoOf = (id) => told?.photos.find((photo) => photo.id === id);
  const isBusy = (photo) => photo.state === "waiting" || photo.state === "working";
  const isSame = (one, other) => Boolean(one && other) && Object.keys(AS_IT_COMES).every((name) => one[name] === other[name]);
  const strengthOf = (photo, given) => given.strength ?? photo.far?.strength ?? 1;

  function speak(text) {
    document.getElementById("spoken").textContent = text;
  }

  // --- words

  const MASKS = { skin: N_("skin"), learnt: N_("what the pairs changed"), painted: N_("where I paint") };

  // The settings in a line, as the cards and the names of files have them.
  function settingsLine(given, photo) {
    const parts = [];
    const percent = (value) => Page.percent(value, 0);
    const strength = photo ? strengthOf(photo, given) : given.strength ?? 1;
    if (strength !== 1) parts.push(_("strength {value}", { value: percent(strength) }));
    const sizes = { fine: _("fine"), medium: _("medium"), coarse: _("coarse"), guess: _("guessed") };
    for (const size of [...SIZES, ...GUESSED]) {
      if (given[size] !== 1) parts.push(`${sizes[size]} ${percent(given[size])}`);
    }
    if (given.mask !== "everywhere") parts.push(_(MASKS[given.mask]));
    if (photo && photo.epoch !== "latest") parts.push(stateOf(photo.epoch));
    return parts.join(" · ") || _("as learnt, everywhere");
  }

  const stateOf = (name) => (name === "best" ? _("best epoch")
    : name.startsWith("iter_") ? _("step {step}", { step: name.slice(5) }) : _("epoch {epoch}", { epoch: name }));

  const sizeLine = (photo) => photo.width && _("{width} × {height}", { width: photo.width, height: photo.height });

  // --- files in

  async function take(files) {
    const refused = new Map();
    const good = [];
    for (const file of files) {
      const refusal = await Files.refusePhoto(file);
      if (!refusal) good.push(file);
      else if (!refused.has(refusal.text)) refused.set(refusal.text, [refusal, file.name]);
      else refused.get(refusal.text).push(file.name);
    }
    for (const [refusal, ...names] of refused.values()) showRefused(names, refusal);
    unsent += good.length;
    showBatch();
    let sent = Promise.resolve();
    for (const file of good) sent = sent.then(() => send(file));
  }

  async function send(file) {
    const query = new URLSearchParams({
      name: file.folders || file.webkitRelativePath || file.name, epoch, chosen: JSON.stringify(next),
    });
    try {
      const photo = await untilFree(() => App.ask("PUT", `${base}?${query}`, file));
      opening ??= current ? null : (await photo.json()).id;
    } catch (error) {
      showRefused([file.name], error);
    }
    unsent -= 1;
    await refresh();
  }

  // Others may be sending as well: then the app asks to come again.
  async function untilFree(act) {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (error.status !== 503) throw error;
        await new Promise((done) => { setTimeout(done, 2000); });
      }
    }
  }

  function showRefused(names, refusal) {
    const item = App.element("li", "work bad");
    const name = App.element("span");
    name.textContent = names.length === 1 ? names[0]
      : _("{count} files: {names}", { count: names.length, names: names.slice(0, 5).join(", ") + (names.length > 5 ? " …" : "") });
    const why = App.element("span", "help");
    Page.setWord(why, refusal.message, refusal.values);
    const away = App.element("button", "button small", N_("Remove"));
    away.type = "button";
    away.addEventListener("click", () => {
      item.remove();
      document.getElementById("files-trial").focus();
    });
    item.append(name, why, away);
    document.getElementById("refused").append(item);
    speak(`${name.textContent}: ${why.textContent}`);
  }

  function showBatch() {
    const busy = (told?.photos.filter(isBusy) || []);
    const open = busy.length + unsent;
    document.getElementById("batch").hidden = !open;
    if (!open) return;
    const known = told?.total || 0;
    const total = known + unsent;
    const done = told?.finished || 0;
    const about = busy.length && told.speed ? told.left_s * (open / busy.length) : null;
    const late = open === 1 && busy[0]?.late;
    const left = late ? _("it takes longer than expected")
      : about === null ? "" : _("{time} left", { time: Page.duration(about) });
    const first = busy.find((photo) => photo.state === "working") || busy[0];
    const text = total > 1 ? _("{done} of {total}", { done, total })
      : first ? _("Restoring {name}", { name: first.name }) : _("Sending…");
    Page.setText("batch-text", [text, left].filter(Boolean).join(", "));
    const shares = busy.reduce((sum, photo) => sum + photo.share, 0);
    App.setBar(document.getElementById("batch-bar"), total && (done + shares) / total);
  }

  document.getElementById("cancel").addEventListener("click", async () => {
    await act(() => App.ask("DELETE", `${base}?which=unfinished`));
    document.getElementById("files-trial").focus();
  });

  // --- what the server knows

  function show(found) {
    const before = told;
    told = found;
    for (const photo of found.photos) {
      const old = before?.photos.find((one) => one.id === photo.id);
      if (old && isBusy(old) && photo.state === "done") speak(_("{name} is restored.", { name: photo.name }));
      if (photo.state === "done" && photo.id === opening) openPhoto(photo.id, false);
    }
    if (current && !photoOf(current)) closeEditor();
    networkAgain();
    showBatch();
    showCards();
    showModel();
    if (current) showEditor();
  }

  async function refresh() {
    show(await (await App.ask("GET", base)).json());
  }

  async function act(what, where = "message") {
    App.showMessage(null, where);
    try {
      await what();
    } catch (error) {
      App.showMessage(error, where);
    }
    await refresh().catch(() => {});
  }

  // --- the cards

  function cardOf(photo) {
    const item = App.element("li", "photo");
    const opener = App.element("button", "thumb");
    opener.type = "button";
    const image = App.element("img");
    image.alt = "";
    opener.append(image);
    opener.addEventListener("click", () => openPhoto(photo.id));
    const text = App.element("div", "photo-text");
    const saving = App.element("span", "help saving");
    saving.setAttribute("role", "status");
    text.append(App.element("strong", "photo-name"), App.element("span", "help photo-settings"), App.element("span", "help photo-state"), saving);
    const bar = App.element("progress");
    bar.max = 1;
    bar.hidden = true;
    text.append(bar);
    const actions = App.element("div", "actions");
    const again = App.element("button", "button small again", N_("Restore again"));
    const remove = App.element("button", "button small remove", N_("Remove"));
    again.type = remove.type = "button";
    again.addEventListener("click", () => act(() => App.ask("POST", `${base}/${photo.id}/again`, {})));
    remove.addEventListener("click", () => act(async () => {
      await App.ask("DELETE", `${base}/${photo.id}`);
      document.getElementById("files-trial").focus();
    }));
    actions.append(again, remove);
    item.append(opener, text, actions);
    return item;
  }

  // A link to the file that is there; where it is of other settings, that is made first.
  function saveLink(photo) {
    const save = App.element("a", "button small primary save", N_("Save"));
    save.href = new URL(`${base}/${photo.id}/saved/restored`, App.root).href;
    save.addEventListener("click", (event) => {
      const now = photoOf(photo.id);
      if (isSame(now.made, now.chosen)) {
        tellSaving(photo.id, SENT, { name: now.file_name });
        return;
      }
      event.preventDefault();
      savePhoto(photo.id, "restored");
    });
    return save;
  }

  function showCards() {
    document.getElementById("history").hidden = !told.photos.length;
    document.getElementById("save-all").hidden = told.photos.filter((photo) => photo.file).length < 2;
    for (const [id, item] of cards) {
      if (photoOf(id)) continue;
      item.remove();
      cards.delete(id);
    }
    [...told.photos].reverse().forEach((photo, place) => {
      let item = cards.get(photo.id);
      if (!item) cards.set(photo.id, item = cardOf(photo));
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] || null);
      describeCard(photo, item);
    });
  }

  function describeCard(photo, item) {
    const find = (name) => item.querySelector(name);
    const opener = find(".thumb");
    opener.disabled = !photo.look;
    opener.setAttribute("aria-label", _("Open {name}", { name: photo.name }));
    opener.setAttribute("aria-current", String(photo.id === current));
    const image = find("img");
    image.hidden = !photo.look;
    if (photo.look && !image.getAttribute("src")) image.src = new URL(`${base}/${photo.id}/look/thumbnail`, App.root);
    const name = Page.shortened(photo.name, 60);
    setText(find(".photo-name"), name);
    find(".photo-name").title = photo.name;
    setText(find(".photo-settings"), settingsLine(photo.chosen, photo));
    setText(find(".photo-state"), stateLine(photo));
    find(".photo-state").dataset.state = photo.state;
    showSaving(find(".saving"), photo.id);
    find("progress").hidden = photo.state !== "working";
    App.setBar(find("progress"), photo.share);
    const there = Boolean(photo.file) && !isBusy(photo);
    if (there && !find(".save")) find(".actions").prepend(saveLink(photo));
    if (!there) find(".save")?.remove();
    else find(".save").setAttribute("aria-label", _("Save {name}", { name: photo.name }));
    find(".again").hidden = !["failed", "stopped"].includes(photo.state);
    setText(find(".remove"), isBusy(photo) ? _("Cancel") : _("Remove"));
    find(".remove").setAttribute("aria-label", isBusy(photo) ? _("Cancel {name}", { name: photo.name }) : _("Remove {name}", { name: photo.name }));
  }

  // Whether the browser wrote a file, no page is told.
  const SENT = N_("Sent to the browser: {name}");

  // Other settings make another file: what was said of the one before is over.
  function forgetSaving(id) {
    savings.delete(id);
    if (id === current) showSaving(document.getElementById("saving"), id);
    Page.setWord(document.getElementById("all-saved"), "");
  }

  // Said in the card of the photo, and beside the buttons where it is open.
  function tellSaving(id, message, values = {}, path = "") {
    savings.set(id, { message, values, path });
    showCards();
    if (id === current) showEditor();
  }

  function showSaving(node, id) {
    const { message, values, path } = savings.get(id) || { message: "" };
    const said = message && _(message, values);
    if (node.dataset.said === said) return; // it is read aloud once
    node.dataset.said = said;
    node.textContent = said;
    if (!path) return;
    const again = App.element("a", "", N_("Save again")); // where the browser held it back
    again.href = new URL(path, App.root);
    again.download = "";
    node.append(" ", again);
  }

  function stateLine(photo) {
    const time = (seconds) => ({ time: Page.duration(Math.max(1, seconds)) });
    if (photo.state === "waiting") return photo.about_s === null ? _("waiting") : _("waiting; about {time}", time(photo.about_s));
    if (photo.state === "working") {
      if (photo.late) return _("being restored; it takes longer than expected");
      return photo.left_s === null ? _("being restored") : _("about {time} left", time(photo.left_s));
    }
    if (photo.state === "failed") return photo.said ? _(photo.said.message, photo.said.values) : _("Failed");
    if (photo.state === "stopped") return _("The app was ended before it was done.");
    const parts = [sizeLine(photo)];
    if (photo.seconds) parts.push(_("took {time}", time(photo.seconds)));
    if (!isSame(photo.made, photo.chosen)) parts.push(_("changed since it was saved"));
    return parts.join(" · ");
  }

  function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  document.getElementById("remove-all").addEventListener("click", () => {
    if (!confirm(_("Remove all photos of this page from the run? The files that you saved stay."))) return;
    act(async () => {
      await App.ask("DELETE", base);
      document.getElementById("files-trial").focus();
    });
  });

  document.getElementById("save-all").addEventListener("click", (event) => act(async () => {
    const button = event.target;
    button.disabled = true;
    try {
      await noted();
      const due = told.photos.filter((photo) => photo.file && !isSame(photo.made, photo.chosen));
      for (const [done, photo] of due.entries()) {
        button.removeAttribute("data-word");
        button.textContent = _("{done} of {total}", { done, total: due.length });
        await untilFree(() => App.ask("POST", `${base}/${photo.id}/saved/restored`, {}));
      }
      download(`${base}.zip`);
      Page.setWord(document.getElementById("all-saved"), N_("All photos are sent to the browser as one ZIP."));
    } finally {
      button.disabled = false;
      Page.setWord(button, N_("Save all as ZIP"));
    }
  }));

  function download(path) {
    const link = App.element("a");
    link.href = new URL(path, App.root);
    link.download = "";
    document.body.append(link);
    link.click();
    link.remove();
  }

  // --- the photo that is open

  async function openPhoto(id, asked = true) {
    const photo = photoOf(id);
    await noted();
    opening = null;
    current = id;
    chosen = { ...photo.chosen };
    document.getElementById("editor").hidden = false;
    showEditor();
    fillForm();
    App.showMessage(null, "editor-message");
    if (asked) {
      const name = document.getElementById("editor-name");
      name.scrollIntoView({ block: "start" });
      name.focus({ preventScroll: true });
    }
    Viewer.describe();
    await visible(async () => {
      await Viewer.open(photo, `${base}/${id}`);
      await Viewer.set(shownAs());
    });
    Viewer.describe();
    showCards();
  }

  function closeEditor() {
    current = chosen = null;
    Viewer.close();
    document.getElementById("editor").hidden = true;
  }

  // What the viewer shows: a strength that was left to the program is a number there.
  const shownAs = () => ({ ...chosen, strength: strengthOf(photoOf(current), chosen) });

  async function visible(what) {
    try {
      await what();
    } catch (error) {
      App.showMessage(error, "editor-message");
    }
  }

  function showEditor() {
    const photo = photoOf(current);
    Page.setText("editor-name", Page.shortened(photo.name, 60));
    Page.setText("editor-facts", sizeLine(photo) || "");
    const note = document.getElementById("editor-note");
    const far = photo.far?.said;
    note.hidden = !far && photo.kept;
    if (far) {
      // How strongly it was restored for that holds until somebody sets the strength.
      const { message } = chosen.strength === null ? far : { message: N_("This photo is far from the training pairs: {reasons}.") };
      const decide = photo.far.strength !== undefined && chosen.strength === null;
      Page.setText("editor-note", [_(message, far.values), decide ? _("Set the strength to decide yourself.") : ""].join(" ").trim());
    }
    if (!far && !photo.kept) Page.setText("editor-note", _("To save room, its full size is not kept any more. It is computed again when you save it."));
    showSaving(document.getElementById("saving"), current);
    const layers = document.getElementById("save-layers");
    layers.disabled = !told.layers || layers.dataset.busy === "yes";
    Page.setText("save-help", [
      _("In the photo's own format and colours, with its camera data, without where it was taken."),
      told.layers ? "" : _("Layers need an extra. In the folder of unretouch: {command}", { command: "pip install '.[layers]'" }),
    ].filter(Boolean).join(" "));
    // A terminal says these after the name of the file.
    document.getElementById("save-notes").replaceChildren(...photo.notes.map((note) => {
      const said = _(note.message, note.values);
      const line = App.element("li");
      line.textContent = said.charAt(0).toUpperCase() + said.slice(1);
      return line;
    }));
  }

  function fillForm() {
    const strength = strengthOf(photoOf(current), chosen);
    for (const name of ["strength", ...SIZES, ...GUESSED]) {
      const input = document.getElementById(name);
      const share = name === "strength" ? strength : chosen[name];
      input.value = Math.round(100 * share);
      showAmount(input, share);
    }
    for (const radio of form.querySelectorAll("[name=mask]")) radio.checked = radio.value === chosen.mask;
  }

  // The program may have chosen a strength between two steps of the slider.
  function showAmount(input, share = Number(input.value) / 100) {
    const text = Page.percent(share, 0);
    Page.setText(`${input.id}-value`, text);
    input.setAttribute("aria-valuetext", text);
  }

  // The form was moved: shown at once, told to the server a moment later.
  function change(changed) {
    Object.assign(chosen, changed);
    if (chosen.mask !== "painted") chosen.painted = "";
    photoOf(current).chosen = { ...chosen };
    forgetSaving(current);
    visible(() => Viewer.set(shownAs()));
    noteSoon();
    showCards();
    showEditor();
  }

  function noteSoon() {
    clearTimeout(noteLater);
    noteLater = setTimeout(note, 400);
  }

  function note() {
    clearTimeout(noteLater);
    noteLater = 0;
    const [id, given] = [current, chosen];
    if (!id) return;
    const paintedNow = given.mask === "painted" && (dirty || !given.painted) ? Viewer.painting() : null;
    dirty = false;
    noting = noting.then(() => visible(async () => {
      if (paintedNow) {
        const blob = await new Promise((done) => { paintedNow.toBlob(done, "image/png"); });
        given.painted = (await (await App.ask("PUT", `${base}/${id}/painted`, blob)).json()).painted;
      }
      await App.ask("POST", `${base}/${id}/chosen`, given);
      const photo = photoOf(id);
      if (photo) photo.chosen = { ...given };
    }));
  }

  // Another share of the guess needs the network, and so does a photo that was left as it is and is
  // to be restored all the same: the photo that is open is restored again, and opens again then.
  // While it is being restored, the newest share waits for its turn.
  async function networkAgain() {
    const photo = photoOf(current);
    const left = photo?.look?.change === "" && strengthOf(photo, chosen) > 0;
    const wanted = photo?.state === "done" && photo.made && (left || photo.made.guess !== chosen.guess);
    if (!wanted || guessing) return;
    guessing = true;
    await act(async () => {
      await noted();
      await App.ask("POST", `${base}/${photo.id}/again`, {});
      opening = photo.id;
    }, "editor-message");
    guessing = false;
  }

  async function noted() {
    if (noteLater) note();
    await noting;
  }

  for (const name of ["strength", ...SIZES]) {
    const input = document.getElementById(name);
    input.addEventListener("input", () => {
      showAmount(input);
      change({ [name]: Number(input.value) / 100 });
    });
    input.addEventListener("change", networkAgain);
  }
  for (const name of GUESSED) {
    const input = document.getElementById(name);
    input.addEventListener("input", () => showAmount(input));
    input.addEventListener("change", () => {
      change({ [name]: Number(input.value) / 100 });
      networkAgain();
    });
  }
  for (const radio of form.querySelectorAll("[name=mask]")) {
    radio.addEventListener("change", () => change({ mask: radio.value }));
  }
  Viewer.onPainted((mask) => {
    dirty = true;
    change({ mask });
    fillForm();
  });
  document.getElementById("reset").addEventListener("click", () => {
    change({ ...AS_IT_COMES });
    fillForm();
    networkAgain();
  });
  document.getElementById("for-all").addEventListener("click", () => act(async () => {
    await noted();
    next = { ...chosen, ...(chosen.mask === "painted" ? { mask: usual, painted: "" } : {}) };
    showNext();
    for (const photo of told.photos) {
      if (photo.id === current) continue;
      const kept = chosen.mask === "painted" ? { mask: photo.chosen.mask, painted: photo.chosen.painted } : {};
      const given = { ...chosen, ...kept };
      if (isSame(photo.chosen, given)) continue;
      await App.ask("POST", `${base}/${photo.id}/chosen`, given);
      forgetSaving(photo.id);
    }
  }, "editor-message"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    savePhoto(current, "restored");
  });
  document.getElementById("save-layers").addEventListener("click", () => savePhoto(current, "layers"));

  const SAVES = {
    restored: ["save", N_("Save"), N_("Making the file…"), "file_name"],
    layers: ["save-layers", N_("Save as layers"), N_("Making the layered file…"), "layers_name"],
  };

  async function savePhoto(id, what) {
    const [box, word, making, name] = SAVES[what];
    const button = document.getElementById(box);
    await act(async () => {
      button.disabled = true;
      button.dataset.busy = "yes";
      Page.setWord(button, making);
      tellSaving(id, making);
      try {
        await noted();
        const photo = photoOf(id);
        let made = photo;
        if (what === "layers" || !isSame(photo.made, photo.chosen)) {
          made = await (await untilFree(() => App.ask("POST", `${base}/${id}/saved/${what}`, {}))).json();
          if (id === current && made.look?.change !== photo.look?.change) openPhoto(id, false);
        }
        const path = `${base}/${id}/saved/${what}`;
        download(path);
        tellSaving(id, SENT, { name: made[name] }, path);
      } catch (error) {
        // That the app cannot be reached is said in a place of its own, a bug above the photos.
        const saidHere = error.status !== undefined && !App.isLost(error);
        tellSaving(id, saidHere ? N_("It was not saved. {reason}") : N_("It was not saved."), { reason: error });
        if (!saidHere) throw error;
      } finally {
        button.disabled = false;
        button.dataset.busy = "";
        Page.setWord(button, word);
      }
    }, id === current ? "editor-message" : "message");
  }

  // --- the model

  function showModel() {
    const box = document.getElementById("kinds");
    const names = { onnx: "ONNX", safetensors: "safetensors" };
    if (!box.children.length) {
      for (const kind of Object.keys(told.kinds)) {
        const button = App.element("button", "button");
        button.type = "button";
        button.dataset.kind = kind;
        button.addEventListener("click", () => saveModel(button, kind));
        box.append(button);
      }
    }
    for (const button of box.children) {
      if (button.dataset.busy === "yes") continue;
      setText(button, _("Save as {kind}", { kind: names[button.dataset.kind] }));
      button.disabled = !told.kinds[button.dataset.kind];
    }
    const missing = Object.values(told.kinds).includes(false);
    document.getElementById("kinds-help").hidden = !missing;
    if (missing) Page.setText("kinds-help", _("This needs an extra. In the folder of unretouch: {command}", { command: "pip install '.[export]'" }));
  }

  function saveModel(button, kind) {
    act(async () => {
      button.disabled = true;
      button.dataset.busy = "yes";
      button.textContent = _("Making the file…");
      const path = `api/runs/${App.run}/model/${epoch}/${kind}`;
      try {
        const made = await (await untilFree(() => App.ask("POST", path, {}))).json();
        download(path);
        Page.setWord(document.getElementById("model-saved"), SENT, { name: made.name });
      } finally {
        button.dataset.busy = "";
      }
    }, "model-message");
  }

  // --- beginning

  function showNext() {
    const plain = isSame(next, AS_IT_COMES);
    Page.setText("next", plain ? "" : _("New photos take these settings: {settings}", { settings: settingsLine(next) }));
  }

  App.takeFiles("trial", take);
  const folder = document.getElementById("files-folder");
  folder.addEventListener("change", () => {
    take([...folder.files].filter((file) => !file.webkitRelativePath.split("/").some((part) => part.startsWith("."))));
    folder.value = "";
  });
  Page.onLanguage(() => {
    App.showLimits();
    showNext();
    Viewer.describe();
    if (epoch !== "latest") Page.setText("epoch-text", _("Photos are restored by an earlier state of this run: {state}.", { state: stateOf(epoch) }));
    document.title = `${_("Restore photos")} · ${document.querySelector("h1").textContent} · unretouch`;
    if (!told) return;
    showBatch();
    showCards();
    showModel();
    if (current) {
      showEditor();
      fillForm();
    }
  });
  document.getElementById("epoch").hidden = epoch === "latest";
  Page.start();

  let measured = false;
  App.poll(`api/runs/${App.run}`, (run) => {
    document.getElementById("no-model").hidden = run.has_weights;
    for (const id of ["files-trial", "files-folder"]) document.getElementById(id).disabled = !run.has_weights;
    document.getElementById("drop-trial").classList.toggle("off", !run.has_weights);
    document.getElementById("folder-button").hidden = !run.has_weights;
    document.getElementById("model").hidden = !run.has_weights;
    if (run.has_weights && !measured) {
      measured = true;
      App.ask("POST", `${base}/speed`, {}).catch(() => {}); // so that the first photo is told its time
    }
  }, 5000).catch(() => {});
  App.poll(base, show, 1000).catch(App.showMessage);
})();
