"use strict";
// What came of a run: each task is begun by a button and ends in a page.
(() => {
  const DOING = { test: "testing", verify: "verifying" };

  for (const button of document.querySelectorAll("[data-task]")) {
    const { task, word } = button.dataset;
    button.addEventListener("click", async () => {
      setWord(button, DOING[task]);
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
      setWord(button, word);
    });
  }

  function setWord(node, word) {
    node.dataset.word = word;
    node.textContent = Page.say(word);
  }

  Page.onLanguage(() => {
    const download = document.getElementById("download-model");
    if (!download) return;
    const size = Number(download.dataset.size);
    download.textContent = Page.say("download_model", { size: `${Page.number(size / 1e6, 1)} MB` });
  });
  Page.start();
})();
