"use strict";
// All runs, kept current.
(() => {
  const list = document.getElementById("runs");
  const cards = new Map();
  const chosen = new Set();
  let runs = null;
  let sizes = null;
  let compared = null;

  const megabytes = (bytes) => (bytes >= 1e9 ? `${Page.number(bytes / 1e9, 1)} GB` : `${Page.number(bytes / 1e6, bytes < 1e7 ? 1 : 0)} MB`);
  const sizeOf = (id) => (sizes?.runs[id] === undefined ? "" : megabytes(sizes.runs[id]));

  function card(run) {
    const item = App.element("li", "run-item");
    const tick = App.element("input", "tick");
    tick.type = "checkbox";
    tick.addEventListener("change", () => {
      if (tick.checked) chosen.add(run.id); else chosen.delete(run.id);
      describeCompare();
    });
    const link = App.element("a", "run");
    link.href = `runs/${run.id}/`;
    const picture = App.element("span", "thumb");
    const image = App.element("img");
    image.alt = "";
    picture.append(image);
    const text = App.element("span", "run-text");
    const name = App.element("span", "run-name");
    name.textContent = run.name;
    text.append(name, App.element("span", "run-facts"), App.element("span", "run-note"));
    link.append(picture, text, App.element("span", "state"));
    const current = () => runs.find((one) => one.id === run.id);
    item.append(tick, link, RunMenu.menu(current, () => sizeOf(run.id), refresh));
    return item;
  }

  function describe(run, item) {
    const image = item.querySelector("img");
    const url = run.picture ? `runs/${run.id}/${Page.pictureUrl(run.picture)}?step=${run.step}` : "";
    image.hidden = !url;
    if (url && image.getAttribute("src") !== url) image.src = url;
    const facts = [];
    const about = run.estimated ? "≈ " : "";
    if (run.level_error !== null) {
      const value = about + Page.levels(run.level_error);
      facts.push(_("error {value}", { value }));
    }
    if (run.gain === "worse") facts.push(_("worse than doing nothing"));
    if (run.gain === "nothing") facts.push(_("nothing gained, nothing lost"));
    if (run.gain === "some") {
      facts.push(_("{value} recovered", { value: about + Page.percent(run.recovered) }));
    }
    const active = run.state === "running" || run.state === "starting";
    if (active && run.left_s !== null) facts.push(_("{time} left", { time: Page.duration(run.left_s) }));
    if (run.before !== null) {
      facts.push(run.before > 1 ? ngettext("{count} run before it in line", "{count} runs before it in line", run.before - 1)
        : _("next in line"));
    }
    if (!active && run.elapsed_s) facts.push(_("took {time}", { time: Page.duration(run.elapsed_s) }));
    if (sizes?.runs[run.id] >= 1e5) facts.push(sizeOf(run.id)); // a run that waits has nothing yet
    setText(item.querySelector(".run-facts"), facts.join(" · ") || _("no figures yet"));
    const note = item.querySelector(".run-note");
    note.hidden = !run.note;
    setText(note, run.note);
    const tick = item.querySelector(".tick");
    tick.hidden = runs.length < 2;
    tick.disabled = !run.has_weights;
    tick.setAttribute("aria-label", _("Compare {name}", { name: run.name }));
    RunMenu.describe(item.querySelector(".menu"), run);
    const state = item.querySelector(".state");
    state.dataset.state = run.state;
    setText(state, Page.stateName(run.state));
  }

  function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  function show(found) {
    runs = found;
    Notify.seen(runs);
    document.getElementById("below-runs").hidden = runs.length === 0;
    document.getElementById("welcome").hidden = runs.length > 0;
    document.getElementById("heading").hidden = runs.length === 0;
    const ids = new Set(runs.map((run) => run.id));
    for (const [id, item] of cards) {
      if (ids.has(id)) continue;
      item.remove();
      cards.delete(id);
      chosen.delete(id);
    }
    runs.forEach((run, place) => {
      let item = cards.get(run.id);
      if (!item) cards.set(run.id, item = card(run));
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] || null);
      describe(run, item);
    });
    describeCompare();
  }

  function describeCompare() {
    const button = document.getElementById("compare");
    const possible = runs.filter((run) => run.has_weights).length;
    button.hidden = possible < 2;
    if (button.dataset.busy) return;
    button.disabled = chosen.size === 1;
    delete button.dataset.word;
    setText(button, chosen.size ? ngettext("Compare {count} run", "Compare {count} runs", chosen.size) : _("Compare all runs"));
  }

  function describeCompared() {
    document.getElementById("compared").hidden = !compared;
    if (!compared) return;
    document.getElementById("groups").replaceChildren(...compared.groups.map(({ page, said, runs: names }) => {
      const item = App.element("li");
      const link = App.element(page ? "a" : "span");
      if (page) link.href = page;
      link.textContent = names.join(" · ");
      item.append(link);
      if (said) {
        const why = App.element("p", "help");
        why.textContent = _(said.message, said.values);
        item.append(why);
      }
      return item;
    }));
    Page.setText("alone", compared.alone.length
      ? _("No other run has the same pairs, so there is nothing to compare: {names}", { names: compared.alone.join(" · ") }) : "");
  }

  async function refresh() {
    try {
      show(await (await App.ask("GET", "api/runs")).json());
      await RunMenu.showDeleted(refresh);
      sizes = await (await App.ask("GET", "api/disk")).json();
      show(runs);
      describeDisk();
    } catch (error) {
      App.showMessage(error);
    }
  }

  function describeDisk() {
    if (!sizes) return;
    const all = Object.values(sizes.runs).reduce((sum, size) => sum + size, 0);
    Page.setText("disk", _("All runs take {size}. Free space: {free}.", { size: megabytes(all), free: megabytes(sizes.free) }));
  }

  document.getElementById("compare").addEventListener("click", async (event) => {
    const button = event.target;
    button.dataset.busy = "yes";
    button.disabled = true;
    Page.setWord(button, N_("Comparing…"));
    App.showMessage(null);
    compared = null;
    describeCompared();
    try {
      compared = await (await App.ask("POST", "api/compare", chosen.size ? { runs: [...chosen] } : {})).json();
      if (compared.groups.length === 1 && compared.groups[0].page && !compared.alone.length) location.href = compared.groups[0].page;
      else {
        describeCompared();
        document.getElementById("compared").focus();
      }
    } catch (error) {
      App.showMessage(error);
    }
    delete button.dataset.busy;
    describeCompare();
  });

  document.getElementById("demo").addEventListener("click", async (event) => {
    const button = event.target;
    button.disabled = true;
    Page.setWord(button, N_("Starting…"));
    App.showMessage(null);
    try {
      location.href = `runs/${(await (await App.ask("POST", "api/demo", {})).json()).id}/`;
    } catch (error) {
      App.showMessage(error);
      button.disabled = false;
      Page.setWord(button, N_("Try it with a demo"));
    }
  });

  Notify.bind(document.getElementById("notify"));
  Page.onLanguage(() => {
    if (!runs) return;
    show(runs);
    describeCompared();
    describeDisk();
    RunMenu.showDeleted(refresh).catch(App.showMessage);
  });
  Page.start();
  refresh();
  App.poll("api/runs", show, 2500).catch(App.showMessage);
})();
