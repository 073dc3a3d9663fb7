"use strict";
// A notification of the system when a training ends, for who asked for it, while a page is open.
const Notify = (() => {
  const possible = "Notification" in window;
  const wanted = () => possible && Page.remember.get("notify") === "yes" && Notification.permission === "granted";
  const before = new Map();
  const active = (state) => state === "running" || state === "starting";

  // Tell of runs that were being trained when they were seen last, and are not any more.
  function seen(runs) {
    for (const run of runs) {
      if (active(before.get(run.id)) && !active(run.state) && wanted()) {
        const text = run.state === "finished" ? _("The training is finished.")
          : run.state === "failed" ? _("The training ended with an error.") : _("The training has stopped.");
        new Notification(run.name, { body: text, tag: run.id });
      }
      before.set(run.id, run.state);
    }
  }

  // A switch by which one asks for it; browsers ask once more.
  function bind(box) {
    box.closest("label").hidden = !possible;
    box.checked = wanted();
    box.addEventListener("change", async () => {
      if (box.checked && await Notification.requestPermission() !== "granted") {
        box.checked = false;
        App.showMessage(new App.Refusal(N_("The browser does not allow notifications of this page."), {}, 0));
      }
      Page.remember.set("notify", box.checked ? "yes" : "");
    });
  }

  return { seen, bind };
})();
