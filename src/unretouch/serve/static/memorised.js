"use strict";
// A run that memorised its pairs, where another photo is to be restored: what would be better.
document.querySelector("[data-others]")?.addEventListener("click", async ({ target }) => {
  target.disabled = true;
  try {
    await App.trainForOthers();
  } catch (error) {
    App.showMessage(error, "memorised-message");
    target.disabled = false;
  }
});
