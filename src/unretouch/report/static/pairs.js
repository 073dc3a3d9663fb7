"use strict";
// Cards of pictures: a slider between two of them, and all of them beside each other under a loupe
// that shows the same place in each.
const Pairs = (() => {
  const MOST_ZOOM = 400;
  const FEW = 3; // pairs that are shown one below the other; of more, one is chosen in a table
  const LONGEST = 20; // columns of a name on a picture or in a list
  const LONGEST_BUTTON = 12;
  const cards = new Map();

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const card = entry.target.card;
      card.visible = entry.isIntersecting;
      if (card.visible) card.paint();
    }
  }, { rootMargin: "600px" });

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // What the classic label of a picture means.
  const LABELS = {
    real_A: N_("input"), fake_B: N_("generated"), real_B: N_("answer"),
    real: N_("input"), fake: N_("generated"),
  };

  function meaning(shot, label) {
    return shot.notes?.[label] ?? (Object.hasOwn(LABELS, label) ? _(LABELS[label]) : "");
  }

  function caption(shot, label) {
    const note = meaning(shot, label);
    return note ? `${label} (${note})` : label;
  }

  // Swapped only once it is decoded, so that no empty frame is ever seen.
  async function swap(image, url) {
    if (image.dataset.wanted === url) return;
    image.dataset.wanted = url;
    if (image.getAttribute("src")) {
      const next = new Image();
      next.src = url;
      try { await next.decode(); } catch { /* a missing picture shows its description */ }
      if (image.dataset.wanted !== url) return;
    }
    image.src = url;
  }

  class Card {
    constructor(name) {
      const copy = document.getElementById("pair-card").content.cloneNode(true);
      this.node = copy.querySelector(".pair");
      this.node.card = this;
      this.node.querySelector("h3").textContent = name;
      this.node.setAttribute("aria-label", name);
      this.name = name;
      this.zoom = 0;
      this.place = { x: 0.5, y: 0.5 };
      this.visible = false;
      this.slider = this.node.querySelector("img-comparison-slider");
      this.tiles = this.node.querySelector(".tiles");
      this.looks = this.node.querySelector(".looks");
      listenToSlider(this.slider);
      this.listenToLoupe();
      new ResizeObserver(() => this.look()).observe(this.tiles);
    }

    // shot: {name, pictures: {label: file}, error_map, figures..., version}; optional: sides (the
    // two labels compared first), at ({x, y, zoom}: where the loupe looks first), notes (by label),
    // looks (parts of the pair, each with a key, pictures and an error_map of its own; title() and
    // note() word it), first (the key of the one that is shown first)
    show(given) {
      this.given = given;
      const shot = { ...given, ...this.choose(given) };
      if (!this.shot && shot.at) {
        this.place = { x: shot.at.x, y: shot.at.y };
        this.zoom = shot.at.zoom;
      }
      const labels = Object.keys(shot.pictures);
      if (!this.shot || String(labels) !== String(Object.keys(this.shot.pictures)) ||
          Boolean(shot.error_map) !== Boolean(this.shot.error_map)) {
        this.build(labels, Boolean(shot.error_map), shot.sides);
      }
      this.shot = shot;
      this.describe();
      if (this.visible) this.paint();
    }

    // Return the look that was asked for, where there is one, and offer the others.
    choose({ looks = [], first }) {
      const keys = looks.map((look) => look.key);
      const box = this.looks.querySelector(".choice");
      this.looks.hidden = !looks.length;
      if (String(keys) !== String([...box.children].map((button) => button.look.key))) {
        box.replaceChildren(...looks.map(() => element("button")));
      }
      looks.forEach((look, index) => {
        const button = box.children[index];
        button.type = "button";
        button.look = look;
        button.disabled = looks.length === 1; // it only names what is shown
        button.onclick = () => this.lookAt(look.key);
      });
      const key = [this.wanted, first, keys[0]].find((one) => keys.includes(one));
      return looks.find((look) => look.key === key);
    }

    lookAt(key) {
      this.wanted = key;
      this.place = { x: 0.5, y: 0.5 };
      this.show(this.given);
    }

    build(labels, hasMap, wanted) {
      this.tiles.replaceChildren(...labels.map((label) => this.tile(label)));
      if (hasMap) this.tiles.append(this.tile("error_map"));
      const sides = labels.length === 3
        ? [[labels[0], labels[1]], [labels[1], labels[2]], [labels[0], labels[2]]] : [labels];
      const asked = this.asked?.every((label) => labels.includes(label)) && this.asked;
      this.sides = wanted || asked || sides[0].slice(0, 2);
      const box = this.node.querySelector(".sides");
      box.hidden = labels.length < 3;
      const lists = labels.length > 3 || labels.some((label) => Page.columns(label) > LONGEST_BUTTON);
      box.classList.toggle("lists", lists);
      box.replaceChildren(...(lists ? this.lists(labels) : this.buttons(sides)));
      this.node.classList.toggle("two", this.tiles.children.length === 2);
    }

    buttons(sides) {
      return sides.map((pair) => {
        const button = element("button", "", `${pair[0]} | ${pair[1]}`);
        button.type = "button";
        button.addEventListener("click", () => this.compare(pair));
        button.pair = pair;
        return button;
      });
    }

    // With more than three pictures, or long names, each side has a list of all.
    lists(labels) {
      return [N_("Left side of the slider"), N_("Right side of the slider")].map((word, side) => {
        const list = element("select");
        list.dataset.wordLabel = word;
        list.append(...labels.map((label) => new Option(Page.shortened(label, LONGEST), label)));
        list.value = this.sides[side];
        list.addEventListener("change", () => {
          this.compare(this.sides.map((label, other) => (other === side ? list.value : label)));
        });
        return list;
      });
    }

    tile(label) {
      const figure = element("figure", "tile");
      const view = element("div", "view");
      const image = element("img");
      image.alt = "";
      view.append(image);
      figure.append(view, element("figcaption"));
      figure.dataset.label = label;
      image.addEventListener("load", () => this.look());
      return figure;
    }

    compare(pair) {
      this.sides = this.asked = pair;
      this.describe();
      this.paint();
    }

    url(label) {
      const file = label === "error_map" ? this.shot.error_map : this.shot.pictures[label];
      return Page.pictureUrl(file) + (this.shot.version === undefined ? "" : `?step=${this.shot.version}`);
    }

    paint() {
      if (!this.shot) return;
      for (const tile of this.tiles.children) {
        swap(tile.querySelector("img"), this.url(tile.dataset.label));
      }
      this.slider.querySelectorAll(".view img").forEach((image, side) => {
        swap(image, this.url(this.sides[side]));
      });
      this.look();
    }

    // Everything that is worded: again after a change of language.
    describe() {
      const { shot } = this;
      const [left, right] = this.sides;
      Page.translate(this.node);
      for (const button of this.looks.querySelectorAll("button")) {
        button.textContent = button.look.title();
        button.setAttribute("aria-pressed", String(button.look.key === shot.key));
      }
      this.looks.querySelector(".help").textContent = shot.note?.() ?? "";
      const title = shot.title ? `${this.name}, ${shot.title()}` : this.name;
      this.node.querySelector(".tag.left").textContent = Page.shortened(left, LONGEST);
      this.node.querySelector(".tag.right").textContent = Page.shortened(right, LONGEST);
      const told = _("{left} on the left, {right} on the right. Arrow keys move the line", { left, right });
      this.slider.setAttribute("aria-label", `${this.name}: ${told}`);
      for (const button of this.node.querySelectorAll(".sides button")) {
        button.setAttribute("aria-pressed", String(String(button.pair) === String(this.sides)));
      }
      for (const tile of this.tiles.children) {
        const { label } = tile.dataset;
        const line = tile.querySelector("figcaption");
        if (label === "error_map") {
          const ticks = element("span", "ticks");
          ticks.append(...Page.errorScale.map((level) => element("span", "", String(level))));
          const name = _("error map, in grey levels");
          line.replaceChildren(element("span", "", name), element("span", "ramp"), ticks);
          tile.querySelector("img").alt = `${title}, ${name}`;
        } else {
          line.replaceChildren(element("strong", "", label), ` ${meaning(shot, label)}`);
          tile.querySelector("img").alt = `${title}, ${caption(shot, label)}`;
        }
      }
      this.slider.querySelectorAll(".view img").forEach((image, side) => {
        image.alt = `${title}, ${caption(shot, this.sides[side])}`;
      });
      this.node.querySelectorAll(".tag").forEach((tag, side) => {
        tag.dataset.meaning = shot.notes ? "" : meaning(shot, this.sides[side]);
      });
      this.node.querySelector(".figures").replaceChildren(...this.figures(shot));
    }

    figures(shot) {
      if (missing(shot.identity_error)) return [];
      const nothing = [_("Doing nothing"), Page.levels(shot.identity_error)];
      if (missing(shot.level_error)) return described([nothing]);
      const rows = [
        [_("Error"), about(shot) + Page.levels(shot.level_error)],
        [_("Doing nothing"), Page.level(shot.identity_error)],
        [_("Recovered"), about(shot) + Page.percent(Page.share(shot))],
      ];
      if (shot.estimated) {
        rows.push([
          _("estimated from"), ngettext("{count} sampled tile", "{count} sampled tiles", shot.sampled_tiles),
        ]);
      }
      if (!missing(shot.exact_pixels)) {
        rows.push([_("Exact pixels"), Page.percent(shot.exact_pixels)]);
      }
      return described(rows);
    }

    // Put the wanted place of the picture into every view, at the wanted scale.
    look() {
      const views = [...this.tiles.querySelectorAll(".view"), ...this.slider.querySelectorAll(".view")];
      const first = views[0]?.querySelector("img");
      if (!first?.naturalWidth) return;
      const ratio = first.naturalWidth / first.naturalHeight;
      this.node.style.setProperty("--ratio", ratio.toFixed(4));
      this.clamp(views[0], first);
      this.tiles.classList.toggle("zoomed", this.zoom > 0);
      for (const button of this.node.querySelectorAll("[data-zoom]")) {
        button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === this.zoom));
      }
      for (const view of views) this.aim(view, first.naturalWidth, ratio);
    }

    aim(view, naturalWidth, ratio) {
      const { style } = view.querySelector("img");
      const box = { width: view.clientWidth, height: view.clientHeight };
      if (!this.zoom || !box.width) {
        style.width = style.height = "100%";
        style.left = style.top = "0";
        style.imageRendering = "auto";
        return;
      }
      const width = naturalWidth * this.zoom / 100;
      const height = width / ratio;
      style.width = `${width}px`;
      style.height = `${height}px`;
      style.left = `${offset(box.width, width, this.place.x)}px`;
      style.top = `${offset(box.height, height, this.place.y)}px`;
      style.imageRendering = this.zoom > 100 ? "pixelated" : "auto";
    }

    clamp(view, image) {
      const scale = (this.zoom || 100) / 100;
      const halfX = view.clientWidth / (2 * image.naturalWidth * scale);
      const halfY = view.clientHeight / (2 * image.naturalHeight * scale);
      this.place.x = halfX >= 0.5 ? 0.5 : Math.min(1 - halfX, Math.max(halfX, this.place.x));
      this.place.y = halfY >= 0.5 ? 0.5 : Math.min(1 - halfY, Math.max(halfY, this.place.y));
    }

    setZoom(zoom) {
      this.zoom = Math.min(MOST_ZOOM, Math.max(0, zoom));
      this.look();
    }

    move(dx, dy) {
      const image = this.tiles.querySelector("img");
      const scale = (this.zoom || 100) / 100;
      this.place.x += dx / (image.naturalWidth * scale);
      this.place.y += dy / (image.naturalHeight * scale);
      this.look();
    }

    listenToLoupe() {
      for (const button of this.node.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => this.setZoom(Number(button.dataset.zoom)));
      }
      let drag = null;
      this.tiles.addEventListener("pointerdown", (event) => {
        const view = event.target.closest(".view");
        if (!view || event.button !== 0) return;
        drag = { view, x: event.clientX, y: event.clientY };
        if (this.zoom) view.setPointerCapture(event.pointerId);
      });
      this.tiles.addEventListener("pointermove", (event) => {
        if (!drag || !this.zoom) return;
        this.move(drag.x - event.clientX, drag.y - event.clientY);
        drag = { ...drag, x: event.clientX, y: event.clientY };
      });
      this.tiles.addEventListener("pointercancel", () => { drag = null; });
      this.tiles.addEventListener("pointerup", (event) => {
        if (drag && !this.zoom) {
          const box = drag.view.getBoundingClientRect();
          this.place = {
            x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height,
          };
          this.setZoom(200);
        }
        drag = null;
      });
      this.tiles.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const step = 40;
        const act = {
          ArrowLeft: () => this.move(-step, 0), ArrowRight: () => this.move(step, 0),
          ArrowUp: () => this.move(0, -step), ArrowDown: () => this.move(0, step),
          "+": () => this.setZoom(this.zoom + 100), "=": () => this.setZoom(this.zoom + 100),
          "-": () => this.setZoom(this.zoom - 100), 0: () => this.setZoom(0),
        }[event.key];
        if (!act || (event.key.startsWith("Arrow") && !this.zoom)) return;
        event.preventDefault();
        act();
      });
    }
  }

  // The keys of a slider are ours: those of the component move by how long a key is held.
  function listenToSlider(slider) {
    const now = () => slider.setAttribute("aria-valuenow", String(Math.round(slider.value)));
    slider.addEventListener("slide", now);
    slider.addEventListener("keydown", (event) => {
      const { value } = slider;
      const wanted = {
        ArrowLeft: value - 2, ArrowDown: value - 2, ArrowRight: value + 2, ArrowUp: value + 2,
        PageDown: value - 20, PageUp: value + 20, Home: 0, End: 100,
      }[event.key];
      if (wanted === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      slider.value = wanted;
      now();
    });
  }

  function offset(box, picture, place) {
    if (picture <= box) return (box - picture) / 2;
    return Math.min(0, Math.max(box - picture, box / 2 - place * picture));
  }

  // Of many pairs one is chosen in a table: in one that the page has, with a row a pair, or in ours.
  class Picker {
    constructor(container, table) {
      this.container = container;
      this.table = table;
      if (table) return;
      this.help = element("p", "help");
      this.box = element("div", "scroll picks");
      this.box.tabIndex = 0;
      this.box.setAttribute("role", "group");
      this.own = element("table", "summary-table");
      this.box.append(this.own);
      container.before(this.help, this.box);
    }

    // Return the shots that are to be shown now.
    choose(shots) {
      this.shots = shots;
      const many = shots.length > FEW;
      if (!this.table) this.help.hidden = this.box.hidden = !many;
      if (!many) return shots;
      if (!shots.some((shot) => shot.name === this.chosen)) this.chosen = shots[0].name;
      this.draw();
      return shots.filter((shot) => shot.name === this.chosen);
    }

    draw() {
      if (this.table) this.upgrade();
      else this.fill();
      this.buttons().forEach((button, index) => {
        button.setAttribute("aria-pressed", String(this.shots[index].name === this.chosen));
      });
    }

    buttons() {
      return [...(this.table || this.own).querySelectorAll("tbody .pick")];
    }

    button(index) {
      const { name } = this.shots[index];
      const button = element("button", "pick", Page.beside(name));
      button.type = "button";
      button.title = name;
      button.addEventListener("click", () => {
        this.chosen = this.shots[index].name;
        showAll(this.container, this.choose(this.shots));
      });
      return button;
    }

    upgrade() {
      if (this.buttons().length) return;
      [...this.table.tBodies[0].rows].forEach((row, index) => {
        row.cells[0].replaceChildren(this.button(index));
      });
    }

    fill() {
      this.help.textContent = _("Choose a pair: the pictures below are its own.");
      this.box.setAttribute("aria-label", _("All pairs"));
      const columns = this.columns();
      const heading = (text) => {
        const cell = element("th", "", text);
        cell.scope = "col";
        return cell;
      };
      const titles = [_("Pair"), ...columns.map((column) => column.title)].map(heading);
      const names = this.shots.map((shot) => shot.name);
      if (String(names) !== String(this.names)) {
        this.names = names;
        const top = element("thead");
        const body = element("tbody");
        top.append(element("tr"));
        body.append(...names.map((_name, index) => {
          const row = element("tr");
          const first = element("th");
          first.scope = "row";
          first.append(this.button(index));
          row.append(first, ...columns.map(() => element("td")));
          return row;
        }));
        this.own.replaceChildren(top, body);
      }
      this.own.tHead.rows[0].replaceChildren(...titles);
      this.shots.forEach((shot, index) => {
        const cells = this.own.tBodies[0].rows[index].querySelectorAll("td");
        columns.forEach((column, at) => { cells[at].textContent = column.of(shot); });
      });
    }

    // What the table tells of a pair: its figures, or those of each run.
    columns() {
      const [first] = this.shots;
      if (first.notes) {
        return Object.keys(first.notes).map((label) => (
          { title: Page.shortened(label, LONGEST), of: (shot) => shot.notes[label] }));
      }
      if (missing(first.identity_error)) return [];
      const made = (shot, text) => (missing(shot.level_error) ? "–" : about(shot) + text);
      return [
        { title: _("Error"), of: (shot) => made(shot, Page.level(shot.level_error)) },
        { title: _("Doing nothing"), of: (shot) => Page.level(shot.identity_error) },
        { title: _("Recovered"), of: (shot) => made(shot, Page.percent(Page.share(shot))) },
      ];
    }
  }

  const about = (shot) => (shot.estimated ? "≈ " : "");
  const missing = (value) => value === null || value === undefined;

  // Names and values as a list of them has them.
  function described(rows) {
    return rows.map(([name, value]) => {
      const row = element("div");
      row.append(element("dt", "", name), element("dd", "", value));
      return row;
    });
  }

  let picker = null;

  Page.onLanguage(() => {
    if (picker?.shots?.length > FEW) picker.draw();
    for (const card of cards.values()) card.describe();
  });

  // Show one card a shot, in their order; a card that stays keeps its slider and its place.
  function showAll(container, shots) {
    const names = new Set(shots.map((shot) => shot.name));
    for (const [name, card] of cards) {
      if (names.has(name)) continue;
      seen.unobserve(card.node);
      card.node.remove();
      cards.delete(name);
    }
    for (const shot of shots) {
      let card = cards.get(shot.name);
      if (!card) {
        card = new Card(shot.name);
        cards.set(shot.name, card);
        container.append(card.node);
        card.show(shot);
        seen.observe(card.node);
      } else {
        card.show(shot);
      }
    }
  }

  return {
    listenToSlider,

    // Show the shots; of many, the one that is chosen in `table`, or in a table above.
    show(container, shots, table) {
      picker ||= new Picker(container, table);
      showAll(container, picker.choose(shots));
    },
  };
})();
