"use strict";
// What came of a run: each task is begun by a button and ends in a page.
(() => {
  const DOING = { test: N_("Testing…"), verify: N_("Verifying, this takes a while…") };

  for (const button of document.querySelectorAll("[data-task]")) {
    const { task } = button.dataset;
    button.addEventListener("click", async () => {
      const { word } = button.dataset;
      Page.setWord(button, DOING[task]);
      button.disabled = true;
      App.showMessage(null, `${task}-message`);
      try {
        await App.ask("POST", `api/runs/${App.run}/${task}`, {});
        const open = document.getElementById(`${task}-open`);
        open.hidden = false;
        open.focus();
      } catch (error) {
        App.showMessage(error, `${task}-message`);
      }
      button.disabled = false;
      Page.setWord(button, word);
    });
  }

  Page.onLanguage(() => {
    const download = document.getElementById("download-model");
    if (!download) return;
    const size = `${Page.number(Number(download.dataset.size) / 1e6, 1)} MB`;
    download.textContent = _("Save latest_net_G.pth ({size})", { size });
  });
  Page.start();
})();
