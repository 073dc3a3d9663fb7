"use strict";
// All runs, kept current.
(() => {
  const list = document.getElementById("runs");
  const cards = new Map();
  const chosen = new Set();
  const PURPOSES = {
    fit: N_("for these photos"), restore: N_("for other photos"),
    texture: N_("for other photos, texture at full strength"),
  };
  let runs = null;
  let sizes = null;
  let measured = "";
  let compared = null;

  // A number and its unit stand on one line.
  const megabytes = (bytes) => (bytes >= 1e9 ? `${Page.number(bytes / 1e9, 1)}\u00a0GB` : `${Page.number(bytes / 1e6, bytes < 1e7 ? 1 : 0)}\u00a0MB`);
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
    const purpose = App.element("span", "run-purpose");
    purpose.append(App.element("span"), App.element("strong"));
    text.append(name, purpose, App.element("span", "run-facts"), App.element("span", "run-note"));
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
    const [aim, verdict] = item.querySelector(".run-purpose").children;
    setText(aim, run.aim ? _(PURPOSES[run.aim]) : "");
    setText(verdict, run.verdict ? _(run.verdict.word) : "");
    verdict.dataset.tone = run.verdict?.tone || "";
    const facts = [];
    const about = run.estimated ? "≈ " : "";
    if (run.level_error !== null) {
      const value = about + Page.levels(run.level_error);
      facts.push(_("error {value}", { value }));
    }
    if (run.gain === "worse") facts.push(_("worse than doing nothing"));
    if (run.gain === "early") facts.push(_("not better yet, as is usual early in a training"));
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
    state.dataset.tone = run.verdict?.tone || "";
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
    measure().catch(App.showMessage);
  }

  function describeCompare() {
    const button = document.getElementById("compare");
    if (runs) button.hidden = runs.filter((run) => run.has_weights).length < 2;
    button.disabled = isCompared() || chosen.size === 1;
    delete button.dataset.word;
    setText(button, isCompared() ? _("Comparing…") : chosen.size ? ngettext("Compare {count} run", "Compare {count} runs", chosen.size) : _("Compare all runs"));
  }

  // What is compared goes on without the page; where its end was waited for, it is shown at once.
  function showCompared(found) {
    const waited = isCompared();
    compared = found;
    describeCompared();
    describeCompare();
    if (!waited || isCompared() || !compared.groups.length) return;
    const [{ page }] = compared.groups;
    if (page && compared.groups.length === 1 && !compared.alone.length) location.href = Page.inLanguage(page);
    else document.getElementById("compared").focus();
  }

  const isUnderWay = ({ task }) => Boolean(task && !task.failed);
  const isCompared = () => Boolean(compared?.groups.some(isUnderWay));

  function describeCompared() {
    const groups = compared?.groups || [];
    document.getElementById("compared").hidden = !groups.length;
    Page.setWord(document.getElementById("compared-heading"), isCompared() ? N_("Comparing…") : N_("Compared, by the pairs they share"));
    const items = document.getElementById("groups");
    const ids = groups.map(({ id }) => id);
    for (const item of [...items.children]) if (!ids.includes(item.dataset.group)) item.remove();
    for (const group of groups) describeGroup(group, items);
    Page.setText("alone", compared?.alone.length
      ? _("No other run has the same pairs, so there is nothing to compare: {names}", { names: compared.alone.join(" · ") }) : "");
  }

  function describeGroup({ id, runs: names, task, page }, items) {
    let item = [...items.children].find((one) => one.dataset.group === id);
    if (!item) {
      item = App.element("li");
      item.dataset.group = id;
      item.append(App.element("a"), App.element("p", "help"), App.element("div", "progress-row"));
      items.append(item);
    }
    const [link, why, row] = item.children;
    if (page) link.href = Page.inLanguage(page); else link.removeAttribute("href");
    setText(link, names.join(" · "));
    why.hidden = !task?.failed;
    setText(why, task?.failed ? _(task.failed.message, task.failed.values) : "");
    row.hidden = !isUnderWay({ task });
    if (row.hidden) return;
    App.showProgress(row, task, async (button) => {
      button.disabled = true;
      try {
        await App.ask("DELETE", `api/compare/${id}`);
        compared = null; // nothing is waited for
        await lookAtCompared();
      } catch (error) {
        App.showMessage(error);
        button.disabled = false;
      }
    });
  }

  async function lookAtCompared() { showCompared(await (await App.ask("GET", "api/compare")).json()); }

  async function refresh() {
    try {
      show(await (await App.ask("GET", "api/runs")).json());
      await RunMenu.showDeleted(refresh);
    } catch (error) {
      App.showMessage(error);
    }
  }

  // What the runs take changes with them: asked for again when one comes, goes or ends.
  async function measure() {
    const states = JSON.stringify(runs.map(({ id, state }) => [id, state]));
    if (states === measured) return;
    measured = states;
    sizes = await (await App.ask("GET", "api/disk")).json();
    show(runs);
    describeDisk();
  }

  function describeDisk() {
    if (!sizes) return;
    const all = Object.values(sizes.runs).reduce((sum, size) => sum + size, 0);
    Page.setText("disk", _("All runs take {size}. Free space: {free}.", { size: megabytes(all), free: megabytes(sizes.free) }));
  }

  document.getElementById("compare").addEventListener("click", async (event) => {
    event.target.disabled = true;
    App.showMessage(null);
    try {
      await App.ask("POST", "api/compare", chosen.size ? { runs: [...chosen] } : {});
      await lookAtCompared();
    } catch (error) {
      App.showMessage(error);
    }
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
    describeCompared();
    if (!runs) return;
    show(runs);
    describeDisk();
    RunMenu.showDeleted(refresh).catch(App.showMessage);
  });
  Page.start();
  refresh();
  App.poll("api/runs", show, 2500).catch(App.showMessage);
  App.poll("api/compare", showCompared, 2000).catch(App.showMessage);
})();
