"use strict";
// What can be done with a run from the list: rename, note, new run with its pairs, delete; and what
// was deleted, to be had back.
const RunMenu = (() => {
  // Ask something in a dialog. `field` is an input or text area, or nothing, `told` a line below it;
  // `act` may refuse.
  function ask({ title, text, field, told, word, danger, act }) {
    const dialog = App.element("dialog", "ask");
    const form = App.element("form");
    form.method = "dialog";
    const heading = App.element("h2");
    heading.textContent = title;
    heading.id = "ask-heading";
    dialog.setAttribute("aria-labelledby", heading.id);
    const said = App.element("p", "notice");
    said.dataset.state = "failed";
    said.setAttribute("role", "alert");
    said.hidden = true;
    const buttons = App.element("p", "actions");
    const cancel = App.element("button", "button", N_("Cancel"));
    cancel.type = "button";
    cancel.addEventListener("click", () => dialog.close());
    const go = App.element("button", `button ${danger ? "danger" : "primary"}`, word);
    go.type = "submit";
    buttons.append(cancel, go);
    form.append(heading);
    if (text) {
      const line = App.element("p", "help");
      line.textContent = text;
      form.append(line);
    }
    if (field) {
      field.setAttribute("aria-labelledby", heading.id);
      field.addEventListener("input", () => { said.hidden = true; }); // it was of what stood there
      form.append(field);
    }
    if (told) form.append(told);
    form.append(said, buttons);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        await act(field?.value);
        dialog.close();
      } catch (error) {
        said.hidden = false;
        said.textContent = error.text || String(error);
      }
      go.disabled = false;
    });
    dialog.append(form);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    (field || cancel).focus();
  }

  function rename(run, changed) {
    const field = App.element("input");
    field.type = "text";
    field.value = run.name;
    field.spellcheck = false;
    const told = App.element("p", "help name-told");
    told.setAttribute("role", "status");
    const parent = run.name.slice(0, run.name.lastIndexOf("/") + 1);
    field.addEventListener("input", () => App.showName(field, told, parent));
    ask({
      title: _("Rename {name}", { name: run.name }), field, told, word: N_("Rename"),
      act: async (name) => {
        await App.ask("POST", `api/runs/${run.id}/rename`, { name: name.trim() });
        changed();
      },
    });
    field.select();
  }

  function note(run, changed) {
    const field = App.element("textarea");
    field.value = run.note;
    field.maxLength = 2000;
    field.rows = 5;
    ask({
      title: _("Note on {name}", { name: run.name }), field, word: N_("Save"),
      act: async (text) => {
        await App.ask("POST", `api/runs/${run.id}/note`, { note: text });
        changed();
      },
    });
  }

  function remove(run, size, changed) {
    ask({
      title: _("Delete {name}?", { name: run.name }),
      text: _("Its model and all its saves go, and the photos on its page “Restore a photo” with what you painted on them ({size}). Its pairs stay, and so do the files that you saved. You can undo it until the app is started again.", { size }),
      word: N_("Delete"), danger: true,
      act: async () => {
        await App.ask("POST", `api/runs/${run.id}/delete`, {});
        changed();
      },
    });
  }

  // The button of a card and what it opens. `run` and `size` are asked for when they are needed.
  function menu(run, size, changed) {
    const details = App.element("details", "menu");
    const summary = App.element("summary", "button small");
    summary.textContent = "⋯";
    const list = App.element("div", "menu-list");
    const entry = (word, act) => {
      const button = App.element("button", "", word);
      button.type = "button";
      button.addEventListener("click", () => {
        details.open = false;
        act();
      });
      list.append(button);
      return button;
    };
    details.entries = {
      rename: entry(N_("Rename"), () => rename(run(), changed)),
      note: entry(N_("Note"), () => note(run(), changed)),
      again: entry(N_("New run with these pairs"), () => { location.href = new URL(`new/?pairs-of=${run().id}`, App.root); }),
      remove: entry(N_("Delete"), () => remove(run(), size(), changed)),
    };
    details.append(summary, list);
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      details.open = false;
      summary.focus();
    });
    return details;
  }

  addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details.menu[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });

  function describe(details, run) {
    const resting = !["running", "starting", "waiting"].includes(run.state);
    details.querySelector("summary").setAttribute("aria-label", _("More about {name}", { name: run.name }));
    details.entries.rename.disabled = !resting;
    details.entries.remove.disabled = !resting;
    details.entries.again.hidden = !run.budget;
  }

  // What can be had back, at the head of the list.
  async function showDeleted(changed) {
    const place = document.getElementById("deleted");
    const found = await (await App.ask("GET", "api/deleted")).json();
    place.replaceChildren(...found.map(({ id, name }) => {
      const item = App.element("li", "notice deleted");
      const text = App.element("span");
      text.textContent = _("{name} is deleted.", { name });
      const undo = App.element("button", "button small", N_("Undo"));
      undo.type = "button";
      undo.addEventListener("click", async () => {
        App.showMessage(null);
        try { await App.ask("POST", `api/deleted/${id}/undo`, {}); } catch (error) { App.showMessage(error); }
        changed();
      });
      item.append(text, undo);
      return item;
    }));
  }

  return { menu, describe, showDeleted };
})();
