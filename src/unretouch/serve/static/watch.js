"use strict";
// The buttons of a run: stop it, go on.
(() => {
  const stop = document.getElementById("stop");
  const goOn = document.getElementById("go-on");
  const amount = document.getElementById("amount");
  let run = null;
  let asked = "";

  function show(found) {
    if (asked && asked !== found.state) asked = "";
    run = found;
    const active = run.state === "running" || run.state === "starting";
    const finished = run.state === "finished";
    stop.hidden = !active;
    stop.disabled = Boolean(asked);
    setWord(stop, asked && active ? "stopping" : "stop");
    goOn.hidden = active || !run.budget;
    goOn.disabled = Boolean(asked);
    setWord(goOn, finished ? "train_longer" : "go_on");
    amount.hidden = goOn.hidden || !finished;
    Page.setText("more-word", Page.say(run.budget === "epochs" ? "more_epochs" : "more_minutes"));
    const said = document.getElementById("said");
    said.hidden = !run.said;
    Page.setText("said-text", run.said || "");
    document.getElementById("leave").hidden = !active;
    if (run.step === null) showWithoutPage();
  }

  // Before the first figures, and for runs that write no page of their own.
  function showWithoutPage() {
    const badge = document.getElementById("state");
    badge.dataset.state = run.state;
    setWord(badge.firstElementChild, `state_${run.state}`);
    const notice = document.getElementById("notice");
    const key = `reason_${run.reason}`;
    notice.hidden = !(run.reason && key in window.unretouch.words.en);
    notice.dataset.state = run.state;
    if (!notice.hidden) Page.setText("notice", Page.say(key));
  }

  function setWord(node, word) {
    if (node.dataset.word === word && node.textContent) return;
    node.dataset.word = word;
    node.textContent = Page.say(word);
  }

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
  App.poll(`api/runs/${App.run}`, show, 2000).catch(App.showMessage);
})();
