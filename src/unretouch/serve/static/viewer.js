"use strict";
// One photograph, before and restored, whole or pixel for pixel, and the brush for its mask.
const Viewer = (() => {
  const TILE = 512;
  const MOST_PARTS = 48;
  const STROKES = 20; // that can be taken back
  const NEAR_LINE = 28; // pixels at which the line is taken and not the picture
  const RED = [230, 40, 60, 110];

  const canvas = document.getElementById("canvas");
  const shown = canvas.getContext("2d");
  const brushSize = document.getElementById("brush-size");
  const showMask = document.getElementById("show-mask");

  let photo = null; // as the server describes it, and where it is asked for
  let look = null;
  let parts = new Map();
  let amounts = [1, 1, 1, 1];
  let masks = {}; // canvases in the size of the look, by name; none for everywhere
  let maskName = "everywhere";
  let wanted = "everywhere"; // the mask that was asked for last
  let bytes = null; // of the mask, in the size of the look
  let tint = null;
  let tool = "compare";
  let zoom = 0;
  let place = { x: 0.5, y: 0.5 };
  let line = 50;
  let brush = null; // where it is, as shares of the photograph
  let strokes = [];
  let painted = () => {};
  let due = false;

  // --- what is shown

  const full = () => ({ width: photo.look.full_width, height: photo.look.full_height });

  async function open(given, path) {
    photo = { ...given, path };
    look = tint = bytes = null;
    parts = new Map();
    masks = {};
    strokes = [];
    brush = null;
    place = { x: 0.5, y: 0.5 };
    showLoading(true);
    fit();
    shown.clearRect(0, 0, canvas.width, canvas.height);
    const asked = photo;
    const loaded = await Blend.load(`${path}/look/whole`, given.look.units);
    if (photo !== asked) return;
    look = loaded;
    look.stale = true;
    showLoading(false);
    redraw();
  }

  // Return the mask of that name, of the server or painted here.
  async function maskNamed(name) {
    if (name === "everywhere") return null;
    if (!masks[name]) {
      const asked = photo;
      const { width, height } = photo.look;
      const made = Blend.canvasOf(width, height);
      if (name !== "painted" || photo.chosen.painted) {
        const { bitmap } = await Blend.bitmapOf(`${asked.path}/look/${name}`);
        Blend.context(made).drawImage(bitmap, 0, 0, width, height);
      } else {
        fill(made, "#000");
      }
      if (photo !== asked) return null;
      masks[name] ||= made;
    }
    return masks[name];
  }

  function fill(target, colour) {
    const drawn = Blend.context(target);
    drawn.fillStyle = colour;
    drawn.fillRect(0, 0, target.width, target.height);
  }

  // Show the photograph as chosen. A mask may have to come from the server first.
  async function set({ strength, fine, medium, coarse, mask }) {
    amounts = [fine, medium, coarse, 1].map((amount) => amount * strength);
    stale();
    wanted = mask;
    const found = await maskNamed(mask);
    if (mask !== wanted) return;
    maskName = mask;
    maskChanged(found);
  }

  function maskChanged(mask) {
    if (!photo) return;
    bytes = mask ? Blend.bytes(mask, photo.look.width, photo.look.height) : null;
    tint = null;
    stale();
  }

  function stale() {
    if (look) look.stale = true;
    for (const part of parts.values()) if (part.look) part.look.stale = true;
    redraw();
  }

  function redraw() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      if (look) draw();
    });
  }

  // The canvas is as large as the whole photograph is shown, at any zoom.
  function fit() {
    const ratio = full().width / full().height;
    const room = document.getElementById("picture").clientWidth;
    const most = Math.max(240, innerHeight * 0.75);
    const width = Math.max(1, Math.round(Math.min(room, most * ratio)));
    canvas.width = width;
    canvas.height = Math.max(1, Math.round(width / ratio));
    document.getElementById("picture").style.setProperty("--shown", `${width}px`);
  }

  // Where the photograph lies on the canvas: its corner, and how large a pixel of it is.
  function frame() {
    const { width, height } = full();
    const scale = zoom ? zoom / 100 : canvas.width / width;
    const at = (room, length, share) => {
      const size = length * scale;
      return size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, room / 2 - share * size));
    };
    return { scale, left: at(canvas.width, width, place.x), top: at(canvas.height, height, place.y) };
  }

  function draw() {
    const box = frame();
    const view = zoom ? [...partsInView(box)] : [];
    const covered = zoom && view.every((part) => part.look);
    if (look.stale && !covered) {
      look.blend(amounts, bytes);
      look.stale = false;
    }
    const { width, height } = full();
    const [w, h] = [width * box.scale, height * box.scale];
    shown.clearRect(0, 0, canvas.width, canvas.height);
    shown.imageSmoothingEnabled = zoom <= 100;
    shown.imageSmoothingQuality = "high";
    const layer = (name) => {
      if (!covered) shown.drawImage(look[name], box.left, box.top, w, h);
      for (const { x, y, look: own } of view) {
        if (!own) continue;
        shown.drawImage(own[name], box.left + x * box.scale, box.top + y * box.scale,
          own.width * box.scale, own.height * box.scale);
      }
    };
    layer("restored");
    const comparing = tool === "compare";
    const at = Math.round(canvas.width * line / 100);
    if (comparing) {
      shown.save();
      shown.beginPath();
      shown.rect(0, 0, at, canvas.height);
      shown.clip();
      layer("before");
      shown.restore();
    }
    if (showMask.checked) drawTint(box, w, h);
    if (comparing) drawLine(at);
    else if (brush) drawBrush(box);
    canvas.setAttribute("aria-valuenow", String(Math.round(line)));
    document.getElementById("tag-before").hidden = !comparing;
  }

  function drawTint(box, w, h) {
    if (!tint) {
      tint = Blend.canvasOf(look.width, look.height);
      const made = new ImageData(look.width, look.height);
      for (let at = 0, pixel = 0; at < made.data.length; at += 4, pixel += 1) {
        made.data.set(RED, at);
        if (bytes) made.data[at + 3] = RED[3] * bytes[pixel] / 255;
      }
      Blend.context(tint).putImageData(made, 0, 0);
    }
    shown.drawImage(tint, box.left, box.top, w, h);
  }

  function drawLine(at) {
    const middle = canvas.height / 2;
    shown.fillStyle = "rgb(0 0 0 / .45)";
    shown.fillRect(at - 2, 0, 4, canvas.height);
    shown.fillStyle = "#fff";
    shown.fillRect(at - 1, 0, 2, canvas.height);
    shown.beginPath();
    shown.arc(at, middle, 17, 0, 7);
    shown.shadowColor = "rgb(0 0 0 / .5)";
    shown.shadowBlur = 4;
    shown.fill();
    shown.shadowBlur = 0;
    shown.strokeStyle = "#1b1c1e";
    shown.lineWidth = 2;
    for (const side of [-1, 1]) {
      shown.beginPath();
      shown.moveTo(at + side * 4, middle - 4);
      shown.lineTo(at + side * 8, middle);
      shown.lineTo(at + side * 4, middle + 4);
      shown.stroke();
    }
  }

  function drawBrush(box) {
    const { width, height } = full();
    const [x, y] = [box.left + brush.x * width * box.scale, box.top + brush.y * height * box.scale];
    for (const [colour, thickness] of [["#000", 3], ["#fff", 1.5]]) {
      shown.beginPath();
      shown.arc(x, y, radius() * width * box.scale / look.width, 0, 7);
      shown.strokeStyle = colour;
      shown.lineWidth = thickness;
      shown.stroke();
    }
  }

  // --- parts at full size

  function* partsInView(box) {
    const { width, height } = full();
    const within = (value, length) => Math.min(length - 1, Math.max(0, Math.floor(value)));
    const [left, right] = [-box.left, canvas.width - box.left].map((x) => within(x / box.scale, width));
    const [top, bottom] = [-box.top, canvas.height - box.top].map((y) => within(y / box.scale, height));
    for (let row = Math.floor(top / TILE); row <= Math.floor(bottom / TILE); row += 1) {
      for (let column = Math.floor(left / TILE); column <= Math.floor(right / TILE); column += 1) {
        yield partAt(row, column);
      }
    }
  }

  function partAt(row, column) {
    const key = `${row}/${column}`;
    let part = parts.get(key);
    if (part) {
      parts.delete(key); // looked at last, so forgotten last
    } else {
      part = { x: column * TILE, y: row * TILE, look: null };
      load(part, `${photo.path}/part/${key}`);
    }
    parts.set(key, part);
    if (parts.size > MOST_PARTS) parts.delete(parts.keys().next().value);
    if (part.look?.stale) {
      part.look.blend(amounts, maskOf(part));
      part.look.stale = false;
    }
    return part;
  }

  async function load(part, path) {
    const asked = photo;
    try {
      const loaded = await Blend.load(path);
      if (photo !== asked) return;
      part.look = loaded;
      part.look.stale = true;
      redraw();
    } catch {
      part.failed = true; // the reduced one stays
    }
  }

  function maskOf(part) {
    const mask = masks[maskName];
    if (!mask) return null;
    const { width, height } = full();
    const [x, y] = [mask.width / width, mask.height / height];
    const from = {
      x: part.x * x, y: part.y * y, width: part.look.width * x, height: part.look.height * y,
    };
    return Blend.bytes(mask, part.look.width, part.look.height, from);
  }

  function setZoom(wanted, at) {
    if (at) place = at;
    zoom = wanted;
    for (const button of document.querySelectorAll("#zooms button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === zoom));
    }
    canvas.classList.toggle("zoomed", zoom > 0);
    describe();
    if (photo) redraw();
  }

  function pan(dx, dy) {
    const { width, height } = full();
    const scale = zoom / 100;
    const within = (value, room, length) => {
      const half = Math.min(0.5, room / (2 * length * scale));
      return Math.min(1 - half, Math.max(half, value));
    };
    place = {
      x: within(place.x + dx / (width * scale), canvas.width, width),
      y: within(place.y + dy / (height * scale), canvas.height, height),
    };
    redraw();
  }

  // --- the brush

  // In pixels of the look.
  const radius = () => Math.max(look.width, look.height) * (0.004 + 0.12 * (brushSize.value / 100) ** 2);

  // The first stroke goes onto the mask that is shown, and becomes one of its own. Where that is
  // everywhere, the brush begins with nothing: it would change nothing otherwise.
  function beginStroke() {
    const { width, height } = look;
    const old = masks[maskName];
    if (maskName !== "painted") {
      const made = Blend.canvasOf(width, height);
      if (old) Blend.context(made).drawImage(old, 0, 0);
      else fill(made, tool === "paint" ? "#000" : "#fff");
      strokes.push({ name: maskName, mask: masks.painted });
      masks.painted = made;
      maskName = "painted";
    } else {
      const copy = Blend.canvasOf(width, height);
      Blend.context(copy).drawImage(old, 0, 0);
      strokes.push({ name: "painted", mask: copy });
    }
    if (strokes.length > STROKES) strokes.shift();
  }

  function dab(from, to) {
    const { width, height } = look;
    const drawn = Blend.context(masks.painted);
    const size = radius();
    const [dx, dy] = [(to.x - from.x) * width, (to.y - from.y) * height];
    const count = Math.max(1, Math.ceil(Math.hypot(dx, dy) / (size / 4)));
    const tone = tool === "paint" ? "255 255 255" : "0 0 0";
    for (let step = 1; step <= count; step += 1) {
      const [x, y] = [from.x * width + dx * step / count, from.y * height + dy * step / count];
      const soft = drawn.createRadialGradient(x, y, size * 0.5, x, y, size);
      soft.addColorStop(0, `rgb(${tone} / 1)`);
      soft.addColorStop(1, `rgb(${tone} / 0)`);
      drawn.fillStyle = soft;
      drawn.fillRect(x - size, y - size, 2 * size, 2 * size);
    }
    maskChanged(masks.painted);
  }

  function undo() {
    const last = strokes.pop();
    if (!last) return;
    if (last.mask) masks.painted = last.mask;
    else delete masks.painted;
    maskName = last.name;
    maskChanged(masks[maskName] || null);
    painted(maskName);
  }

  function setTool(wanted) {
    tool = wanted;
    for (const button of document.querySelectorAll("#tools button")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    document.getElementById("brush").hidden = tool === "compare";
    showMask.checked = tool !== "compare";
    brush = null;
    canvas.classList.toggle("painting", tool !== "compare");
    describe();
    if (photo) redraw();
  }

  // --- by hand and by keyboard

  function spot(event) {
    const box = canvas.getBoundingClientRect();
    const { scale, left, top } = frame();
    const { width, height } = full();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top]
      .map((value, axis) => value * (axis ? canvas.height / box.height : canvas.width / box.width));
    return { canvasX: x, x: (x - left) / (width * scale), y: (y - top) / (height * scale) };
  }

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (!look || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    const at = spot(event);
    if (tool !== "compare") {
      beginStroke();
      dab(at, at);
      drag = { kind: "paint", at };
    } else if (!zoom || Math.abs(at.canvasX - canvas.width * line / 100) < NEAR_LINE) {
      drag = { kind: "line" };
      moveLine(100 * at.canvasX / canvas.width);
    } else {
      drag = { kind: "pan", x: event.clientX, y: event.clientY };
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!look) return;
    const at = spot(event);
    if (tool !== "compare") {
      brush = at;
      redraw();
    }
    if (drag?.kind === "paint") {
      dab(drag.at, at);
      drag.at = at;
    } else if (drag?.kind === "line") {
      moveLine(100 * at.canvasX / canvas.width);
    } else if (drag?.kind === "pan") {
      pan(drag.x - event.clientX, drag.y - event.clientY);
      Object.assign(drag, { x: event.clientX, y: event.clientY });
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, () => {
      if (drag?.kind === "paint") painted("painted");
      drag = null;
    });
  }
  canvas.addEventListener("pointerleave", () => {
    if (drag || !brush) return;
    brush = null;
    redraw();
  });
  canvas.addEventListener("dblclick", (event) => {
    if (look && tool === "compare") setZoom(zoom ? 0 : 100, spot(event));
  });

  function moveLine(wanted) {
    line = Math.min(100, Math.max(0, wanted));
    redraw();
  }

  function moveBrush(dx, dy) {
    const { width, height } = full();
    const { scale } = frame();
    const within = (value) => Math.min(1, Math.max(0, value));
    brush ||= { ...place };
    brush = { x: within(brush.x + dx / (width * scale)), y: within(brush.y + dy / (height * scale)) };
    redraw();
  }

  canvas.addEventListener("keydown", (event) => {
    if (!look || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key !== "z") return;
      event.preventDefault();
      undo();
      return;
    }
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const act = {
      "+": () => setZoom(Math.min(200, zoom + 100)), "=": () => setZoom(Math.min(200, zoom + 100)),
      "-": () => setZoom(Math.max(0, zoom - 100)), 0: () => setZoom(0),
      ...(tool === "compare" ? { Home: () => moveLine(0), End: () => moveLine(100) } : {
        " ": () => {
          brush ||= { ...place };
          beginStroke();
          dab(brush, brush);
          painted("painted");
        },
      }),
    }[event.key];
    if (!arrow && !act) return;
    event.preventDefault();
    if (act) act();
    else if (tool !== "compare") moveBrush(12 * arrow[0], 12 * arrow[1]);
    else if (zoom && !event.shiftKey) pan(40 * arrow[0], 40 * arrow[1]);
    else moveLine(line + 2 * (arrow[0] - arrow[1]));
  });

  for (const button of document.querySelectorAll("#tools button")) {
    button.addEventListener("click", () => setTool(button.dataset.tool));
  }
  for (const button of document.querySelectorAll("#zooms button")) {
    button.addEventListener("click", () => setZoom(Number(button.dataset.zoom)));
  }
  document.getElementById("undo").addEventListener("click", undo);
  showMask.addEventListener("change", redraw);
  new ResizeObserver(() => {
    if (!photo || !document.getElementById("picture").clientWidth) return;
    fit();
    redraw();
  }).observe(document.getElementById("picture"));

  function showLoading(on) {
    document.getElementById("loading").hidden = !on;
  }

  // Everything that is worded.
  function describe() {
    Page.setText("viewer-help", {
      compare: zoom
        ? _("Drag the picture to move it, or the line; keys: arrows, Shift with arrows for the line, 0 for the whole")
        : _("Drag the line; double-click a place to see it at 100%; keys: arrows, + and −"),
      paint: _("Paint where it is to be restored; keys: arrows, Space to paint, Ctrl+Z to undo"),
      erase: _("Paint where it is to stay as it was; keys: arrows, Space to paint, Ctrl+Z to undo"),
    }[tool]);
    if (photo) {
      canvas.setAttribute("aria-label", _("{name}: before on the left, restored on the right. Arrow keys move the line", { name: photo.name }));
    }
  }

  setTool("compare");
  setZoom(0);
  return {
    open, set, describe, undo,
    onPainted(act) { painted = act; },
    painting: () => masks.painted,
    close() { photo = look = null; },
  };
})();
