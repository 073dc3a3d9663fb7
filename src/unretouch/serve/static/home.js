"use strict";
// All runs, kept current.
(() => {
  const list = document.getElementById("runs");
  const cards = new Map();
  let runs = null;

  function card(run) {
    const item = App.element("li");
    const link = App.element("a", "run");
    link.href = `runs/${run.id}/`;
    const picture = App.element("span", "thumb");
    const image = App.element("img");
    image.alt = "";
    picture.append(image);
    const text = App.element("span", "run-text");
    const name = App.element("span", "run-name");
    name.textContent = run.name;
    text.append(name, App.element("span", "run-facts"));
    link.append(picture, text, App.element("span", "state"));
    item.append(link);
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
    if (!active && run.elapsed_s) facts.push(_("took {time}", { time: Page.duration(run.elapsed_s) }));
    setText(item.querySelector(".run-facts"), facts.join(" · ") || _("no figures yet"));
    const state = item.querySelector(".state");
    state.dataset.state = run.state;
    setText(state, Page.stateName(run.state));
  }

  function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  function show(found) {
    runs = found;
    const compare = document.getElementById("compare");
    if (compare) compare.hidden = runs.filter((run) => run.has_weights).length < 2;
    document.getElementById("welcome").hidden = runs.length > 0;
    document.getElementById("heading").hidden = runs.length === 0;
    const ids = new Set(runs.map((run) => run.id));
    for (const [id, item] of cards) {
      if (ids.has(id)) continue;
      item.remove();
      cards.delete(id);
    }
    runs.forEach((run, place) => {
      let item = cards.get(run.id);
      if (!item) cards.set(run.id, item = card(run));
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] || null);
      describe(run, item);
    });
  }

  document.getElementById("compare")?.addEventListener("click", async (event) => {
    const button = event.target;
    button.disabled = true;
    Page.setWord(button, N_("Comparing…"));
    App.showMessage(null);
    try {
      location.href = (await (await App.ask("POST", "api/compare", {})).json()).page;
    } catch (error) {
      App.showMessage(error);
    }
    button.disabled = false;
    Page.setWord(button, N_("Compare all runs"));
  });

  Page.onLanguage(() => { if (runs) show(runs); });
  Page.start();
  App.poll("api/runs", show, 2500).catch(App.showMessage);
})();
