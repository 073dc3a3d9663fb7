"use strict";
// The buttons of a run: stop it, go on.

// Here a button does what the live page by itself can only advise; and the app knows more.
Object.assign(Reasons, {
  interrupted: N_("Stopped and saved. “Go on” continues exactly where it was."),
  terminated: N_("The system asked it to stop, and it saved. “Go on” continues exactly there."),
  stopped_at_once: N_("Stopped at once. What came after the last save is lost; “Go on” continues from there."),
  checking: N_("The training is done; now the result is measured."),
  gone: N_(
    "The training ended suddenly, as in a power cut. “Go on” continues from the last save."
  ),
  failed: N_("The training ended with an error."),
  disk_full: N_("The disk is full. Free some space, then “Go on”."),
  non_finite: N_("The training went astray and was ended. The last save is sound: restore with it, or begin a new run."),
  silent: N_("No news for {time}. The computer may be busy."),
});

(() => {
  const stop = document.getElementById("stop");
  const goOn = document.getElementById("go-on");
  const amount = document.getElementById("amount");
  let run = null;
  let asked = "";

  // Who is trained, and for how long, is another one later.
  Object.defineProperty(Reasons, "waiting", { enumerable: true, get: () => (run?.now_trained ? waitsFor(run.now_trained)
    : N_("Another run is being trained. This one begins by itself when its turn comes, as long as the app runs.")) });

  function show(found) {
    if (asked && asked !== found.state) asked = "";
    run = found;
    Notify.seen([run]);
    Checkpoints.show(run);
    const waiting = run.state === "waiting";
    const active = run.state === "running" || run.state === "starting" || waiting;
    const finished = run.state === "finished";
    stop.hidden = !active;
    const saving = active && !waiting && (Boolean(asked) || run.stopping);
    stop.disabled = Boolean(asked) || saving;
    Page.setWord(stop, waiting ? N_("Take out of the line") : saving ? N_("Saving…") : N_("Stop and save"));
    goOn.hidden = active || !run.budget;
    goOn.disabled = Boolean(asked);
    if (finished) Page.setWord(goOn, N_("Train longer"));
    else if (run.left_s) Page.setWord(goOn, N_("Go on for {time}"), { time: Page.duration(run.left_s) });
    else Page.setWord(goOn, N_("Go on"));
    const restore = document.getElementById("restore");
    restore.hidden = active || !run.has_weights;
    const worth = finished && !restore.hidden && run.gain === "some"; // then what one came for is next
    goOn.classList.toggle("primary", !worth);
    restore.classList.toggle("primary", worth);
    amount.hidden = goOn.hidden || !finished;
    Page.setText("more-word", run.budget === "epochs" ? _("more epochs") : _("more minutes"));
    const said = document.getElementById("said");
    said.hidden = !run.said;
    Page.setText("said-text", run.said || "");
    document.getElementById("leave").hidden = !active || waiting;
    document.getElementById("first-taste").hidden = !(run.demo && finished);
    showKept();
    showStarting();
    if (run.step === null) showWithoutPage();
  }

  // Pairs that are not among those below: they are not trained on.
  function showKept() {
    const line = document.getElementById("kept");
    line.hidden = !run.kept.length;
    const judged = run.kept.some(({ word }) => word);
    const pairs = run.kept.map(({ name, word }) => (word ? `${Page.beside(name)} (${_(word)})` : Page.beside(name))).join(", ");
    line.firstElementChild.textContent = judged ? _("Kept for checking, not trained on: {pairs}.", { pairs })
      : _("Kept for checking, not trained on: {pairs}. The results tell how well it does there.", { pairs });
  }

  // Until the first figures: what is being done.
  function showStarting() {
    const starting = run.state === "starting";
    document.getElementById("app").toggleAttribute("data-empty", starting || run.step === null);
    document.getElementById("starting").hidden = !starting;
    const lines = [...document.querySelectorAll("#starting [data-doing]")];
    const at = lines.findIndex((line) => line.dataset.doing === run.doing);
    lines.forEach((line, index) => {
      line.dataset.state = index < at ? "done" : index === at ? "now" : "later";
      if (index === at) line.setAttribute("aria-current", "step");
      else line.removeAttribute("aria-current");
    });
  }

  // Before the first figures, and for runs that write no page of their own.
  function showWithoutPage() {
    const badge = document.getElementById("state");
    badge.dataset.state = run.state;
    badge.firstElementChild.textContent = Page.stateName(run.state);
    const notice = document.getElementById("notice");
    notice.hidden = !Object.hasOwn(Reasons, run.reason);
    notice.dataset.state = run.state;
    if (!notice.hidden) Page.setText("notice", _(Reasons[run.reason]));
  }

  const waitsFor = ({ name, left_s }) => [
    left_s === null ? _("{name} is being trained.", { name })
      : _("{name} is being trained, about {time} left.", { name, time: Page.duration(left_s) }),
    _("This one begins by itself when its turn comes, as long as the app runs."),
  ].join(" ");

  async function act(path, body) {
    App.showMessage(null);
    asked = run.state;
    show(run);
    try {
      await App.ask("POST", `api/runs/${App.run}/${path}`, body);
    } catch (error) {
      asked = "";
      App.showMessage(error);
      show(run);
    }
  }

  stop.addEventListener("click", () => act("stop", {}));
  document.getElementById("actions").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!run || goOn.hidden) return;
    act("continue", run.state === "finished" ? { more: Number(document.getElementById("more").value) } : {});
  });
  Page.onLanguage(() => { if (run) show(run); });
  Page.start(); // once more: a status that was quicker than this script had the other reasons
  App.poll(`api/runs/${App.run}`, show, 2000).catch(App.showMessage);
})();
