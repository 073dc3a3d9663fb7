"use strict";
// Photographs are restored one after the other; each shows beside what it was.
(() => {
  const strength = document.getElementById("strength");
  const waiting = document.getElementById("queue");
  const shots = [];
  let last = 0;
  let chain = Promise.resolve();

  // Untouched, it is left to the program, which makes less of a photo far from the pairs.
  let chosen = false;
  const settings = () => ({
    ...(chosen ? { strength: Number(strength.value) / 100 } : {}),
    mask: document.querySelector("input[name=mask]:checked").value,
  });

  class Work {
    constructor(file, asked) {
      this.file = file;
      this.asked = asked;
      this.abort = new AbortController();
      this.node = App.element("li", "work");
      this.text = App.element("span");
      this.clock = App.element("span", "help", N_("waiting"));
      const bar = App.element("progress");
      bar.setAttribute("aria-hidden", "true");
      const cancel = App.element("button", "button small", N_("Cancel"));
      cancel.type = "button";
      cancel.addEventListener("click", () => this.cancel());
      this.node.append(this.text, this.clock, bar, cancel);
      waiting.append(this.node);
      this.describe();
      chain = chain.then(() => this.run());
    }

    describe() {
      this.text.textContent = _("Restoring {name}", { name: this.file.name });
    }

    cancel() {
      this.abort.abort();
      this.node.remove();
      document.getElementById("files-trial").focus();
    }

    async run() {
      if (this.abort.signal.aborted) return;
      const begun = Date.now();
      delete this.clock.dataset.word;
      const tick = () => { this.clock.textContent = Page.duration((Date.now() - begun) / 1000); };
      tick();
      const ticking = setInterval(tick, 1000);
      try {
        const refusal = App.refuse(this.file);
        if (refusal) throw refusal;
        const query = new URLSearchParams(this.asked);
        const answer = await App.ask("PUT", `api/runs/${App.run}/apply?${query}`, this.file,
          { signal: this.abort.signal });
        this.show(await answer.blob(), answer.headers.get("Unretouch-Far"));
        speak(_("{name} is restored.", { name: this.file.name }));
        this.node.remove();
      } catch (error) {
        if (error.name === "AbortError") return;
        this.fail(error);
      } finally {
        clearInterval(ticking);
      }
    }

    fail(error) {
      const text = error.text || String(error);
      this.node.classList.add("bad");
      this.node.querySelector("progress").remove();
      this.text.textContent = this.file.name;
      this.clock.textContent = text;
      Page.setWord(this.node.querySelector("button"), N_("Remove"));
      speak(`${this.file.name}: ${text}`);
    }

    // `far` is the message, as JSON, that the photo lies far from the pairs; null where it is near.
    show(picture, far) {
      last += 1;
      const shot = {
        name: shots.some((one) => one.name === this.file.name) ? `${this.file.name} (${last})` : this.file.name,
        pictures: { real: URL.createObjectURL(this.file), fake: URL.createObjectURL(picture) },
        file: this.file,
      };
      shots.unshift(shot);
      Pairs.show(document.getElementById("pairs"), shots);
      const card = [...document.querySelectorAll("#pairs .pair")].find((node) => node.card.name === shot.name);
      document.getElementById("pairs").prepend(card);
      const save = App.element("a", "button primary save", N_("Save PNG at full size"));
      save.href = shot.pictures.fake;
      save.download = `${this.file.name.replace(/\.[^.]*$/, "")}_restored.png`;
      const again = App.element("button", "button", N_("Restore again with these settings"));
      again.type = "button";
      again.addEventListener("click", () => new Work(this.file, settings()));
      const row = App.element("p", "actions left");
      row.append(save, again);
      if (far) card.append(saidOf(JSON.parse(far)));
      card.append(row);
      card.querySelector("h3").tabIndex = -1;
    }
  }

  function saidOf({ message, values }) {
    const made = App.element("p", "notice far");
    made.dataset.word = message;
    made.dataset.values = JSON.stringify(values);
    made.textContent = _(message, values);
    return made;
  }

  function speak(text) {
    document.getElementById("spoken").textContent = text;
  }

  function showStrength() {
    const text = Page.percent(Number(strength.value) / 100, 0);
    Page.setText("strength-value", text);
    strength.setAttribute("aria-valuetext", text);
  }

  App.takeFiles("trial", (files) => { for (const file of files) new Work(file, settings()); });
  strength.addEventListener("input", () => {
    chosen = true;
    showStrength();
  });
  Page.onLanguage(() => {
    App.showLimits();
    showStrength();
    document.title = `${_("Restore a photo")} · ${document.querySelector("h1").textContent} · unretouch`;
  });
  Page.start();
  App.poll(`api/runs/${App.run}`, (run) => {
    document.getElementById("no-model").hidden = run.has_weights;
    document.getElementById("files-trial").disabled = !run.has_weights;
    document.getElementById("drop-trial").classList.toggle("off", !run.has_weights);
  }, 5000).catch(() => {});
})();
