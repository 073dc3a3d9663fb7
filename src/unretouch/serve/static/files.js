"use strict";
// What a dropped file is, told from its first bytes before anything is sent; and a close look at
// the pictures of a pair.
const Files = (() => {
  const app = document.getElementById("app");
  const HEAD = 1 << 18; // bytes: the size of a JPEG stands behind what the camera wrote

  const ascii = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));

  // Size and bits of a channel, as far as the head tells: { kind, width, height, bits }.
  async function told(file) {
    const bytes = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
    const view = new DataView(bytes.buffer);
    if (bytes.length < 26) return {};
    if (ascii(bytes, 1, 3) === "PNG") {
      return { kind: "PNG", width: view.getUint32(16), height: view.getUint32(20), bits: bytes[24] };
    }
    if (ascii(bytes, 0, 4) === "8BPS") {
      return { kind: "PSD", height: view.getUint32(14), width: view.getUint32(18), bits: view.getUint16(22) };
    }
    if (["II*\0", "MM\0*"].includes(ascii(bytes, 0, 4))) return tiff(file, view, bytes[0] === 0x49);
    if (view.getUint16(0) === 0xffd8) return jpeg(view);
    if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP") return webp(bytes, view);
    if (ascii(bytes, 4, 4) === "ftyp") return heif(bytes, view);
    return {};
  }

  // One of three kinds of chunk comes first: each tells the size in its own way.
  function webp(bytes, view) {
    const kind = ascii(bytes, 12, 4);
    const of24 = (at) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16) + 1;
    if (view.byteLength < 30) return { kind: "WebP" };
    if (kind === "VP8X") return { kind: "WebP", width: of24(24), height: of24(27) };
    if (kind === "VP8L") {
      const packed = view.getUint32(21, true);
      return { kind: "WebP", width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1 };
    }
    return { kind: "WebP", width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }

  // HEIC and AVIF: of the pictures in it (the whole, its tiles, a small one) the whole is the largest.
  function heif(bytes, view) {
    const found = { kind: "HEIF", width: 0, height: 0 };
    for (let at = 0; at + 16 <= view.byteLength; at += 1) {
      if (bytes[at] !== 0x69 || ascii(bytes, at, 4) !== "ispe") continue;
      const [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      if (width * height > found.width * found.height) Object.assign(found, { width, height });
    }
    return found;
  }

  function jpeg(view) {
    let at = 2;
    while (at + 9 < view.byteLength && view.getUint8(at) === 0xff) {
      const marker = view.getUint8(at + 1);
      // Start of frame; not the tables of Huffman, arithmetic coding and extensions among them.
      if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
        const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
        return { kind: "JPEG", width, height, bits: view.getUint8(at + 4) };
      }
      at += 2 + view.getUint16(at + 2);
    }
    return { kind: "JPEG" };
  }

  // The first directory of a TIFF may stand at its end.
  async function tiff(file, head, little) {
    const start = head.getUint32(4, little);
    const view = new DataView(await file.slice(start, start + HEAD).arrayBuffer());
    const found = { kind: "TIFF" };
    const entries = view.byteLength >= 2 ? view.getUint16(0, little) : 0;
    for (let at = 2; at < 2 + 12 * entries && at + 12 <= view.byteLength; at += 12) {
      const [tag, type, count] = [view.getUint16(at, little), view.getUint16(at + 2, little), view.getUint32(at + 4, little)];
      const value = type === 3 ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little);
      if (tag === 256) found.width = value;
      if (tag === 257) found.height = value;
      if (tag === 50706) found.kind = "RAW"; // DNG
      if (tag === 258) {
        const apart = count > 2 ? value - start : -1;
        const there = apart >= 0 && apart + 2 <= view.byteLength;
        found.bits = count > 2 ? (there ? view.getUint16(apart, little) : undefined) : value;
      }
    }
    return found;
  }

  const refusal = (message, values = {}) => new App.Refusal(message, values, 415);

  // Why a picture is too large to be sent; null where its head does not say so. `sides` is 2 for one
  // that holds both sides of a pair.
  function refuseSize({ width, height }, sides = 1) {
    const limit = sides * Math.floor(Number(app.dataset.pixels) / 1e6);
    if (!(width * height > limit * 1e6)) return null;
    return refusal(N_("The picture has more than {limit} megapixels. Export it smaller."), { limit });
  }

  // Why a photograph cannot be restored here.
  async function refusePhoto(file) {
    const head = await told(file);
    if (head.kind === "PSD") {
      return refusal(N_("A Photoshop file is taken for pairs only. Save it as TIFF or PNG."));
    }
    return App.refuse(file) || refuseSize(head);
  }

  // Why a file cannot be a part of a pair, and what to do; null where nothing speaks against it.
  async function refusePair(file, sides = 1) {
    const ending = App.endingOf(file);
    const head = await told(file);
    const { kind, bits } = head;
    if (kind === "RAW" || app.dataset.raw.split(" ").includes(ending)) {
      return refusal(N_("RAW is not taken for pairs. Save it as TIFF or PNG."));
    }
    if (kind === "PSD" && !("photoshop" in app.dataset)) {
      const command = "pip install '.[layers]'";
      return refusal(N_("Photoshop files need an extra. In the folder of unretouch: {command}"), { command });
    }
    const plain = kind === "PSD" ? App.refuseBytes(file) : App.refuse(file);
    if (plain) return plain;
    if (bits > 16) {
      return refusal(N_("It has {bits} bits a channel. Save it with 16 or 8."), { bits });
    }
    return refuseSize(head, sides);
  }

  // A close look: the sides beside each other, in a dialog that Escape or a click closes.
  function look(name, sides) {
    const dialog = App.element("dialog", "look");
    dialog.setAttribute("aria-label", name);
    const head = App.element("div", "section-head");
    const title = App.element("h2");
    title.textContent = name;
    const close = App.element("button", "button small", N_("Close"));
    close.type = "button";
    close.addEventListener("click", () => dialog.close());
    head.append(title, close);
    const pictures = App.element("div", "look-pictures");
    for (const { word, url } of sides) {
      const figure = App.element("figure");
      const image = App.element("img");
      image.src = url;
      image.alt = _(word);
      figure.append(image, App.element("figcaption", "", word));
      pictures.append(figure);
    }
    dialog.append(head, pictures);
    pictures.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  return { refusePair, refusePhoto, look };
})();
