"use strict";
// A photograph as it was, and its change parted by size of texture: what it looks like at any
// strength of each, without asking the server.
const Blend = (() => {
  const PICTURES = 5; // before, fine, medium, coarse and the rest, one below the other

  function canvasOf(width, height) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    return canvas;
  }

  const context = (canvas) => canvas.getContext("2d", { willReadFrequently: true });

  // One look: a whole photograph, or a part of it at full size.
  class Look {
    constructor(bitmap, units) {
      const { width } = bitmap;
      const height = bitmap.height / PICTURES;
      Object.assign(this, { width, height, units });
      const scratch = canvasOf(width, bitmap.height);
      const drawn = context(scratch);
      drawn.drawImage(bitmap, 0, 0);
      bitmap.close();
      this.pictures = [...Array(PICTURES).keys()].map(
        (number) => drawn.getImageData(0, number * height, width, height).data,
      );
      this.before = canvasOf(width, height);
      context(this.before).putImageData(new ImageData(this.pictures[0], width, height), 0, 0);
      this.restored = canvasOf(width, height);
      this.made = new ImageData(width, height);
    }

    // `amounts` are those of the four sizes, `mask` is a byte a pixel, or null for everywhere.
    blend(amounts, mask) {
      const [before, fine, medium, coarse, rest] = this.pictures;
      const [a, b, c, d] = amounts.map((amount, size) => amount * this.units[size]);
      const none = 128 * (a + b + c + d);
      const { data } = this.made; // rounds, and stops at black and white
      for (let at = 0, pixel = 0; at < data.length; at += 4, pixel += 1) {
        const share = mask === null ? 1 : mask[pixel] / 255;
        for (let k = at; k < at + 3; k += 1) {
          const change = a * fine[k] + b * medium[k] + c * coarse[k] + d * rest[k] - none;
          data[k] = before[k] + share * change;
        }
        data[at + 3] = 255;
      }
      context(this.restored).putImageData(this.made, 0, 0);
    }
  }

  async function bitmapOf(path) {
    const answer = await App.ask("GET", path);
    const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" });
    return { bitmap, units: JSON.parse(answer.headers.get("Unretouch-Units") || "null") };
  }

  return {
    canvasOf, context, bitmapOf,
    async load(path, units) {
      const found = await bitmapOf(path);
      return new Look(found.bitmap, found.units || units);
    },
    // The bytes of a mask drawn in grey, of a part of it at another size.
    bytes(mask, width, height, from = { x: 0, y: 0, width: mask.width, height: mask.height }) {
      const scratch = canvasOf(width, height);
      const drawn = context(scratch);
      drawn.drawImage(mask, from.x, from.y, from.width, from.height, 0, 0, width, height);
      const { data } = drawn.getImageData(0, 0, width, height);
      const made = new Uint8Array(width * height);
      for (let pixel = 0; pixel < made.length; pixel += 1) made[pixel] = data[4 * pixel];
      return made;
    },
  };
})();
