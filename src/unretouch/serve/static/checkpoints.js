"use strict";
// Restore with the weights of the time that the slider of a run shows, as near as they were kept.
const Checkpoints = (() => {
  const time = document.getElementById("time");
  const link = App.element("a", "button small", N_("Restore with this one"));
  let previews = [];
  let run = null;
  document.querySelector(".timeline").append(link);

  const told = window.unretouchStatus;
  window.unretouchStatus = (record) => {
    told(record);
    previews = record.previews;
    describe();
  };

  function describe() {
    const preview = previews[Number(time.value)];
    link.hidden = !preview || !run?.has_weights;
    if (link.hidden) return;
    const newest = time.value === time.max;
    const distance = (epoch) => Math.abs(epoch - preview.epoch);
    const nearest = run.epochs.reduce((best, epoch) => (distance(epoch) < distance(best) ? epoch : best), run.epochs[0]);
    link.hidden = !newest && nearest === undefined;
    const query = newest ? "" : `?epoch=${nearest}`;
    link.href = new URL(`try/${App.run}/${query}`, App.root);
    delete link.dataset.word;
    link.textContent = newest || nearest === preview.epoch ? _("Restore with this one")
      : _("Restore with the nearest save, epoch {epoch}", { epoch: Page.number(nearest, 0) });
  }

  time.addEventListener("input", describe);
  Page.onLanguage(describe);
  return {
    show(found) {
      run = found;
      describe();
    },
  };
})();
