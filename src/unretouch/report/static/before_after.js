"use strict";
// The page of a folder: a sheet of all its photographs, each under a line that parts before from
// after, and one of them closer, under the loupe.
(() => {
  const photographs = JSON.parse(document.getElementById("photographs").textContent);
  const sheet = document.getElementById("sheet");
  const closer = document.getElementById("closer");
  const onlyFar = document.querySelector("#only-far input");
  const all = document.getElementById("all");
  let wanted = "whole";
  let open = null;

  const sides = () => [["before", _("before")], ["restored", _("restored")]];

  const tiles = photographs.map((photograph) => {
    const copy = document.getElementById("sheet-photo").content.cloneNode(true);
    const node = copy.querySelector(".photo");
    const slider = node.querySelector("img-comparison-slider");
    node.querySelector("h3").textContent = node.querySelector("h3").title = photograph.name;
    node.querySelector(".look-closer").addEventListener("click", () => show(photograph));
    slider.addEventListener("dblclick", () => show(photograph));
    Pairs.listenToSlider(slider);
    sheet.append(node);
    return { node, slider, photograph };
  });

  // Everything that depends on what is chosen, and all that is worded.
  function describe() {
    for (const { node, slider, photograph } of tiles) {
      const { looks, far, name } = photograph;
      node.hidden = onlyFar.checked && !far;
      const look = looks.find((one) => one.key === wanted) || looks[0];
      node.style.setProperty("--ratio", look.ratio.toFixed(4));
      const images = node.querySelectorAll(".view img");
      const tags = node.querySelectorAll(".tag");
      sides().forEach(([side, word], index) => {
        const url = Page.pictureUrl(look[side]);
        if (images[index].getAttribute("src") !== url) images[index].src = url;
        images[index].alt = `${name}, ${word}`;
        tags[index].textContent = word;
      });
      const [left, right] = sides().map(([, word]) => word);
      const told = _("{left} on the left, {right} on the right. Arrow keys move the line", { left, right });
      slider.setAttribute("aria-label", `${name}: ${told}`);
      node.querySelector(".look-closer").setAttribute("aria-label", _("{name}, closer", { name }));
      tell(node.querySelector(".far"), far);
    }
    for (const button of document.querySelectorAll("[data-look]")) {
      button.setAttribute("aria-pressed", String(button.dataset.look === wanted));
    }
    if (open) show(open);
  }

  function tell(element, far) {
    element.hidden = !far;
    element.textContent = far ? Page.say(far.message, far.values) : "";
  }

  function shown() {
    return photographs.filter(({ far }) => far || !onlyFar.checked);
  }

  // One photograph, in a card of the kind that other pages have.
  function show(photograph) {
    open = photograph;
    document.getElementById("closer-name").textContent = photograph.name;
    tell(document.getElementById("closer-far"), photograph.far);
    const title = { whole: _("Whole"), place: _("Where it changed most") };
    const note = { whole: "", place: _("Pixel for pixel") };
    const looks = photograph.looks.map((look) => ({
      key: look.key,
      pictures: Object.fromEntries(sides().map(([side, word]) => [word, look[side]])),
      title: () => title[look.key],
      note: () => note[look.key],
    }));
    Pairs.show(document.getElementById("pairs"), [{ name: photograph.name, looks, first: wanted }]);
    const at = shown().indexOf(photograph);
    document.getElementById("previous").disabled = at <= 0;
    document.getElementById("next").disabled = at === shown().length - 1;
    if (!closer.open) closer.showModal();
  }

  function step(by) {
    const next = shown()[shown().indexOf(open) + by];
    if (next) show(next);
  }

  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  document.getElementById("close").addEventListener("click", () => closer.close());
  closer.addEventListener("close", () => { open = null; });
  closer.addEventListener("click", (event) => { if (event.target === closer) closer.close(); });
  for (const button of document.querySelectorAll("[data-look]")) {
    button.addEventListener("click", () => { wanted = button.dataset.look; describe(); });
  }
  onlyFar.addEventListener("change", describe);
  document.getElementById("only-far").hidden = !photographs.some(({ far }) => far);
  document.getElementById("looks").hidden = !photographs.some(({ looks }) => looks.length > 1);
  // To the right there is more of what was before, as on every line.
  all.addEventListener("input", () => {
    for (const { slider } of tiles) slider.value = Number(all.value);
  });

  Page.onLanguage(describe);
  Page.start();
})();
