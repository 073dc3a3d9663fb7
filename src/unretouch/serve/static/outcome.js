"use strict";
// What came of a run: its verdicts, and the tests that make them, which go on without the page.
(() => {
  const byId = (id) => document.getElementById(id);
  const ADVICE = {
    longer: { act: trainLonger },
    others: { word: N_("Train for other photos, 10 minutes"), act: () => App.trainForOthers() },
    turns: { word: N_("Test by turns"), act: () => begin("turns") },
  };
  let found = null;
  let drawn = "";

  function longerWord() {
    if (found.state === "stopped" || found.state === "failed") {
      return found.left_s ? [N_("Go on for {time}"), { time: Page.duration(found.left_s) }] : [N_("Go on")];
    }
    if (found.budget === "epochs") return [N_("Train {count} epochs more"), { count: found.more }];
    return [N_("Train {count} minutes more"), { count: found.more }];
  }

  async function trainLonger() {
    const finished = found.state === "finished";
    await App.ask("POST", `api/runs/${App.run}/continue`, finished ? { more: found.more } : {});
    location.href = new URL(`runs/${App.run}/`, App.root);
  }

  async function begin(task) {
    if (task === "test") await App.ask("POST", `api/runs/${App.run}/test`, {});
    const asked = task === "turns" ? { minutes: Number(byId("turns-minutes").value) } : {};
    if (task !== "test") await App.ask("POST", `api/runs/${App.run}/verify`, asked);
    await look();
  }

  async function act(doing, id, button) {
    App.showMessage(null, id);
    button.disabled = true;
    try { await doing(); } catch (error) { App.showMessage(error, id); }
    button.disabled = false;
  }

  function card(verdict) {
    const made = App.element("article", "verdict");
    made.dataset.tone = verdict.tone;
    const said = App.element("p", "said");
    said.textContent = verdict.said.map(({ message, values }) => _(message, values)).join(" ");
    made.append(App.element("h3", "", verdict.question), App.element("p", "word", verdict.word), said);
    if (Object.hasOwn(ADVICE, verdict.advice)) {
      const { word, act: doing } = ADVICE[verdict.advice];
      const button = App.element("button", "button small");
      button.type = "button";
      button.dataset.advice = verdict.advice;
      button.textContent = word ? _(word) : _(...longerWord());
      button.disabled = found.state === "running" || found.state === "starting";
      button.addEventListener("click", () => act(doing, "verify-message", button));
      made.append(button);
    }
    return made;
  }

  const isUnderWay = (kind) => Boolean(found.tasks[kind] && !found.tasks[kind].failed);

  function showVerdicts() {
    const now = JSON.stringify([document.documentElement.lang, found.state, longerWord(), found.report, isUnderWay("verify")]);
    // Nothing flashes, and the focus stays; what is just being written is shown at its end.
    if (now === drawn || (!found.report && isUnderWay("verify"))) return;
    drawn = now;
    byId("verdicts").replaceChildren(...(found.report?.verdicts || []).map(card));
    const again = Boolean(found.report && isUnderWay("verify"));
    byId("before").hidden = !again;
    byId("older").hidden = again || !found.report?.older;
  }

  function showTask(kind, made) {
    const task = found.tasks[kind];
    const under = isUnderWay(kind);
    const row = byId(`${kind}-progress`);
    if (!row.hidden && !under) speak(kind, task);
    row.hidden = !under;
    byId(`${kind}-open`).hidden = !made || under;
    for (const button of document.querySelectorAll("[data-task]")) {
      if ((button.dataset.task === "test") === (kind === "test")) button.disabled = under;
    }
    if (task?.failed) {
      App.showMessage({ get text() { return _(task.failed.message, task.failed.values); } }, `${kind}-message`);
    }
    if (!under) return;
    App.showProgress(row, task, (button) => act(async () => {
      await App.ask("DELETE", `api/runs/${App.run}/${kind}`);
      await look();
    }, `${kind}-message`, button));
  }

  function speak(kind, task) {
    if (!task) byId("spoken").textContent = kind === "test" ? _("The test is done.") : _("The report is done.");
  }

  function show(told) {
    found = told;
    if (!byId("verdicts")) return;
    byId("first-taste").hidden = !(found.demo && found.state === "finished");
    showVerdicts();
    showTask("verify", found.verified);
    showTask("test", found.tested);
    byId("heldout").hidden = !found.heldout;
    document.querySelector(".turns").hidden = !found.turns;
    byId("alone").hidden = found.turns;
  }

  const place = `api/runs/${App.run}/results`;
  async function look() { show(await (await App.ask("GET", place)).json()); }

  for (const button of document.querySelectorAll("[data-task]")) {
    const { task } = button.dataset;
    const id = task === "test" ? "test-message" : "verify-message";
    button.addEventListener("click", () => act(() => begin(task), id, button).then(() => found && show(found)));
  }

  Page.onLanguage(() => {
    const download = byId("download-model");
    if (download) {
      const size = `${Page.number(Number(download.dataset.size) / 1e6, 1)} MB`;
      download.textContent = _("Save latest_net_G.pth ({size})", { size });
    }
    document.title = `${_("Results")} · ${document.querySelector("h1").textContent} · unretouch`;
    if (found) show(found);
  });
  Page.start();
  App.poll(place, show, 2000).catch((error) => App.showMessage(error, "verify-message"));
})();
