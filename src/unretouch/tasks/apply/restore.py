"""One photograph through a model: at full size in tiles, or at the scale of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unretouch import tiles
from unretouch.base.errors import NonFiniteError
from unretouch.base.messages import Message, _
from unretouch.metrics.metric import HALO
from unretouch.model.interface import Model, Window
from unretouch.pixels import colour, spaces
from unretouch.pixels.pair_pictures import in_strips
from unretouch.pixels.photo_kind import Distance, distance, kind_seen
from unretouch.pixels.photos import Photo, Pixels
from unretouch.pixels.slow_change import reach_of, without_slow_change
from unretouch.tasks.apply.kept_changes import KeptChanges
from unretouch.tasks.apply.layers import Layers
from unretouch.tasks.apply.masks import Enlarged
from unretouch.tasks.apply.texture_sizes import SIZES, weighed
from unretouch.tiles import Span, Tiling

Floats = NDArray[np.float32]
View = Callable[[slice, slice], Floats]
"""Rows and columns of a picture as the network takes it, float32 (h, w, 3) sRGB in 0..1."""
MEASURED = 12_000_000
"""Pixels on which statistics are measured before they are fixed; of larger pictures, on every
second, third .. tile."""
AT_ONCE = 512
"""Rows whose change is made at once: memory."""
WHITE = 4.0
"""Grey levels of deviation that are white on a guess map."""
SEAM = 0.5
"""Grey levels by which tiles may differ from the whole when the overlap is chosen."""


COST_OF_DEPTH: dict[tuple[spaces.Bits, spaces.Bits], float] = {
    (16, 16): 0.81, (16, 8): 0.25, (8, 16): 0.65,
}  # fmt: skip
"""By the bits of the pairs and of the photograph: by what share the error on portraits that were
never seen became less. Measured with 2,102 updates of `restore` on 16-bit pairs, and 1,000 on the
same rounded to 8, and the held-out portraits at both (see docs/performance.md). 8-bit pairs with
8-bit photographs came to 0.56."""


@dataclass(frozen=True)
class Restored:
    """What came out."""

    photo: Photo
    notes: tuple[Message, ...]
    """what was done differently from the plain case, for people"""
    mean_change: float
    """mean absolute change in grey levels of 255"""
    distance: Distance | None
    """from the training pairs; None where the weights do not tell of what kind those were"""
    weakened: float | None
    """share of the change that was made, since the photograph lies far from the pairs; None where
    that made no difference"""


class Restorer:
    """A model and how to use it, over many photographs."""

    def __init__(
        self,
        model: Model,
        *,
        strength: float | None = None,
        full_scale: bool = False,
        honour_profile: bool = True,
        sizes: Sequence[float] = (1.0,) * len(SIZES),
        kept: KeptChanges | None = None,
        tile: int | None = None,
        guess: float = 1.0,
        seed: int = 0,
    ) -> None:
        """Without a `strength` it is 1, and less for a photograph that lies far from the pairs of a
        model that was trained for unseen ones. `sizes` are the strengths of fine, medium and coarse
        texture, beside that of all. `guess` is how much of the texture that nobody can know is
        drawn, by `seed`."""
        self._model = model
        model.draw(guess, seed)
        self._strength = strength
        self._sizes = sizes
        self._kept = kept
        self._full_scale = full_scale
        self._honour_profile = honour_profile
        self._tile = tile or model.tile
        self._overlap: int | None = None

    def restore(
        self,
        photo: Photo,
        mask: Enlarged | None = None,
        tell: Callable[[float], None] = lambda share: None,
        layers: Layers | None = None,
    ) -> Restored:
        """Return `photo` restored. Its pixels are overwritten: memory holds them once.

        `mask` is float32 0..1 in the size of the photograph; where it is 0 the pixels stay as they
        are, bit for bit. `tell` is called with the share that is done. `layers` takes what was
        done to the photograph, and what would be done without the mask. Raises NonFiniteError.
        """
        notes = [*photo.notes, *([mask.note] if mask and mask.note else [])]
        notes += self._about_depth(photo)
        space = self._space(photo, notes)
        height, width = photo.pixels.shape[:2]
        size = None if self._full_scale else self._model.info.reduced(width, height)
        place = None if self._kept is None else self._kept.place(photo)
        strength = 1.0 if self._strength is None else self._strength
        source = _Source(photo, space, mask, strength, layers, place is not None)
        if size is not None:
            notes.append(self._about_scale(size, width, height))
            small = self._small(photo, space, size)
            far = self._distance(lambda rows, columns: small[rows, columns], *small.shape[:2])
        else:
            far = self._distance(source.window, height, width)
        weakened = self._weakened(far)
        if weakened is not None:
            source = replace(source, strength=weakened)
        if weakened == 0:  # nothing the network could say would be seen
            parts = _by_rows(
                height, width, lambda top, end: np.zeros((end - top, width, 3), np.float32)
            )
        elif size is not None:
            said = self._once(
                place, size[1], size[0], lambda: iter([tiles.Strip(0, self._whole(small))])
            )
            whole = Enlarged(tiles.whole(said), height, width)
            parts = _by_rows(height, width, lambda top, bottom: whole.rows(top, bottom))
        else:
            parts = self._once(
                place, height, width, lambda: self._tiled(source, height, width, notes)
            )
        if any(size != 1 for size in self._sizes):
            parts = weighed(parts, height, self._sizes)
        total = source.overwrite(parts, tell)
        mean = total * 255 / photo.full / photo.pixels.size
        return Restored(replace(photo, notes=()), tuple(notes), mean, far, weakened)

    def guess_map(self, photo: Photo, mask: Enlarged | None = None) -> NDArray[np.uint8]:
        """Return where the texture of the restored photograph is guessed, (H, W): from black, where
        it is known, to white, where it may be off by WHITE grey levels or more (a deviation)."""
        height, width = photo.pixels.shape[:2]
        source = _Source(photo, self._space(photo, []), mask, 1.0, None, kept=True)
        size = None if self._full_scale else self._model.info.reduced(width, height)
        view: View = source.window
        if size is not None:
            small = self._small(photo, source.space, size)

            def view(rows: slice, columns: slice) -> Floats:
                return small[rows, columns]

        tall, wide = (height, width) if size is None else size[::-1]
        tiling = self._tiling(view, tall, wide, [])

        def spread(down: Span, across: Span) -> Floats:
            seen, wanted = view(down.seen, across.seen), (down.counted, across.counted)
            return self._model.spread(seen, down.start, across.start, wanted)

        parts = tiles.strips(tall, wide, tiling, spread)
        if size is not None:
            whole = Enlarged(tiles.whole(parts), height, width, cubic=False)
            parts = _by_rows(height, width, lambda top, bottom: whole.rows(top, bottom))
        found = np.empty((height, width), np.uint8)
        for strip in parts:
            rows, below = strip.rows[..., 0] * (255 / WHITE), strip.top + len(strip.rows)
            if mask is not None:
                rows = rows * mask.rows(strip.top, below)
            found[strip.top : below] = np.clip(255 * rows, 0, 255).round()
        return found

    def _weakened(self, far: Distance | None) -> float | None:
        """Return at what strength a photograph so far from the pairs is restored, where it is not
        as usual."""
        chosen = self._strength is not None or self._model.info.aim == "fit"
        return None if chosen or far is None or far.trust == 1 else far.trust

    def _once(
        self, place: Path | None, height: int, width: int, compute: Callable[[], tiles.Rows]
    ) -> tiles.Rows:
        """Return the change that is kept at `place`; else compute it, and keep it there."""
        if self._kept is None or place is None:
            return compute()
        kept = self._kept.read(place)
        if kept is None:
            return self._kept.keep(place, compute(), height, width)
        return _by_rows(height, width, lambda top, bottom: kept[top:bottom])

    def _distance(self, view: View, height: int, width: int) -> Distance | None:
        """Return how far what the network sees lies from what it was trained on."""

        def seen(rows: slice, columns: slice) -> spaces.Rgb8:
            return spaces.eight(spaces.shares_to_file(view(rows, columns), 8))

        kinds = self._model.info.kinds
        return distance(kind_seen(height, width, seen), kinds) if kinds else None

    def _space(self, photo: Photo, notes: list[Message]) -> colour.Colour | None:
        if not self._honour_profile:
            return None
        space, said = colour.told(photo.profile)
        if space is not None:
            said = _("restored in sRGB, written in its own colours")
        if said is not None:
            notes.append(said)
        return space

    def _about_depth(self, photo: Photo) -> Iterator[Message]:
        """Yield what it costs where the photograph has other bits than the pairs had."""
        ours, theirs = self._model.info.bits, spaces.depth(photo.pixels)
        if ours is not None and ours != theirs:
            share, most = (f"{COST_OF_DEPTH[each]:.0%}" for each in ((ours, theirs), (16, 16)))
            yield _(
                "it has {theirs} bits a channel, the pairs had {ours}: of the retouch of an unseen "
                "portrait about {share} can come back, and {most} where both have 16",
                theirs=theirs,
                ours=ours,
                share=share,
                most=most,
            )

    def _about_scale(self, size: tuple[int, int], width: int, height: int) -> Message:
        finest = f"{2 * max(width / size[0], height / size[1]):.0f}"
        seen, whole = f"{size[0]} x {size[1]}", f"{width} x {height}"
        return _(
            "the run was trained at {trained} px, so the network sees this photograph at {seen}: "
            "of its {whole}, detail finer than {finest} px cannot come back",
            trained=self._model.info.sizing.load_size,
            seen=seen,
            whole=whole,
            finest=finest,
        )

    def _small(self, photo: Photo, space: colour.Colour | None, size: tuple[int, int]) -> Floats:
        pixels = photo.pixels
        if photo.full == 255:
            if space is not None:
                own, space = space, None
                pixels = in_strips(lambda rows: own.in_srgb(rows)[0], pixels)
            small: Floats = spaces.resize(pixels, *size).astype(np.float32)
        else:
            small = spaces.resized_planes(pixels, *size).clip(0, photo.full)
        small /= np.float32(photo.full)
        return space.to_srgb(small).clip(0, 1) if space else small

    def _whole(self, picture: Floats) -> Floats:
        """Return the change for a picture in memory, in tiles where it is large."""
        height, width = picture.shape[:2]

        def view(rows: slice, columns: slice) -> Floats:
            return picture[rows, columns]

        tiling = self._tiling(view, height, width, [])
        parts = tiles.strips(height, width, tiling, lambda *tile: self._tile_change(view, *tile))
        return tiles.whole(self._steadied(parts, height))

    def _tiled(self, source: _Source, height: int, width: int, notes: list[Message]) -> tiles.Rows:
        reach = self._reach

        def around(*spans: Span) -> Iterator[slice]:
            for span, length in zip(spans, (height, width), strict=True):
                yield slice(max(0, span.start - reach), min(length, span.stop + reach))

        def change(down: Span, across: Span) -> Floats:
            if source.untouched(*around(down, across)):
                return np.zeros((down.stop - down.start, across.stop - across.start, 3), np.float32)
            return self._tile_change(source.window, down, across)

        tiling = self._tiling(source.window, height, width, notes)
        return self._steadied(tiles.strips(height, width, tiling, change), height)

    @property
    def _reach(self) -> int:
        """Pixels around one on whose change it depends what is made of its own."""
        sigma = self._model.info.slower
        of_texture = HALO if any(size != 1 for size in self._sizes) else 0
        return of_texture + (0 if sigma is None else reach_of(sigma))

    def _steadied(self, parts: tiles.Rows, height: int) -> tiles.Rows:
        """Yield a change of so many rows without what the network was not asked for."""
        sigma = self._model.info.slower
        if sigma is None:
            yield from parts
            return
        top = 0
        for rows in without_slow_change((strip.rows for strip in parts), height, sigma, 1 / 255):
            yield tiles.Strip(top, rows)
            top += len(rows)

    def _tile_change(self, view: View, down: Span, across: Span) -> Floats:
        picture = view(down.seen, across.seen)
        change = self._model.change(
            picture, down.start, across.start, (down.counted, across.counted)
        )
        if not np.isfinite(change.min() + change.max()):
            raise NonFiniteError(_("the network's picture has NaN or infinity in it"))
        return change

    def _tiling(self, view: View, height: int, width: int, notes: list[Message]) -> Tiling:
        """Return how a picture is cut, the model being ready for its parts."""
        self._model.look_at(height, lambda rows: view(rows, slice(0, width)))
        if height * width <= self._tile:
            self._model.free_statistics()
            return Tiling(max(height, width), 0)
        if self._model.info.per_picture:
            self._fix_statistics(view, height, width)
            notes.append(
                _(
                    "too large for one piece: restored in parts, by statistics of the whole that "
                    "were measured first"
                )
            )
        if self._overlap is None:
            self._overlap = self._measured_overlap(view, height, width)
        return self._cut(self._overlap)

    def _cut(self, overlap: int) -> Tiling:
        multiple = self._model.info.multiple
        side = int(self._tile**0.5) // multiple * multiple
        return Tiling(max(multiple, overlap, side - 2 * overlap), overlap)

    def _fix_statistics(self, view: View, height: int, width: int) -> None:
        tiling = self._cut(max(32, self._model.info.multiple))
        places = [
            (down, across)
            for down in tiles.spans(height, tiling)
            for across in tiles.spans(width, tiling)
        ]
        count = max(1, round(MEASURED / self._tile))
        chosen = places if len(places) <= count else places[:: -(-len(places) // count)]

        def windows() -> Iterator[Window]:
            for down, across in chosen:
                yield Window(view(down.seen, across.seen), down.core, across.core)

        self._model.fix_statistics(windows)

    def _measured_overlap(self, view: View, height: int, width: int) -> int:
        """Return the smallest overlap with which a tile of this photograph agrees with the whole.

        Measured at the place in its middle, where the picture is cut into two on all four sides.
        """
        multiple, known = self._model.info.multiple, self._model.info.margin
        step = max(16, multiple)
        steps = [o for o in (step, 2 * step, 3 * step, 4 * step, 6 * step) if o <= 512]
        if known is not None:
            steps = [o for o in steps if o < known] + [-(-known // multiple) * multiple]
        core = 2 * step
        top, left = ((length // 2) // multiple * multiple for length in (height, width))

        def change(overlap: int, counted: int) -> Floats:
            """The core and `counted` pixels around it, as computed with `overlap`."""
            rows, columns = (
                slice(max(0, start - overlap), min(length, start + core + overlap))
                for start, length in ((top, height), (left, width))
            )
            window = self._model.change(view(rows, columns), rows.start, columns.start)
            y, x = top - rows.start, left - columns.start
            return window[
                max(0, y - counted) : y + core + counted, max(0, x - counted) : x + core + counted
            ]

        for overlap in steps[:-1]:
            ramp = Tiling(overlap, overlap).ramp
            error = np.abs(change(overlap, ramp) - change(steps[-1], ramp)).max(2)
            if (error * _inside(error.shape, ramp)).max() * 255 <= SEAM:
                return overlap
        return steps[-1]


def _inside(shape: tuple[int, ...], ramp: int) -> Floats:
    """Return the weight of a tile around its core: 1 inside, falling to 0 over twice the ramp."""
    from_edge = [np.minimum(np.arange(n) + 0.5, np.arange(n)[::-1] + 0.5) for n in shape]
    y, x = (np.minimum(1, part / max(1, 2 * ramp)) for part in from_edge)
    weight: Floats = np.outer(y, x).astype(np.float32)
    return weight


def _by_rows(height: int, width: int, rows: Callable[[int, int], Floats]) -> tiles.Rows:
    step = max(1, 2_000_000 // width)
    for top in range(0, height, step):
        yield tiles.Strip(top, rows(top, min(height, top + step)))


@dataclass(frozen=True)
class _Source:
    """A photograph as the network takes it, window by window."""

    photo: Photo
    space: colour.Colour | None
    mask: Enlarged | None
    strength: float
    layers: Layers | None
    kept: bool
    """whether the change is for other masks, too"""

    def window(self, rows: slice, columns: slice) -> Floats:
        """Return float32 (h, w, 3) sRGB in 0..1: of 8 bits the very numbers that a pair read from
        such a file is trained on."""
        part, space = self.photo.pixels[rows, columns], self.space
        if space is not None and self.photo.full == 255:
            part, space = space.in_srgb(part)[0], None
        numbers = part.astype(np.float32)
        numbers *= np.float32(1 / self.photo.full)
        return space.to_srgb(numbers).clip(0, 1) if space else numbers

    def untouched(self, rows: slice, columns: slice) -> bool:
        if self.layers is not None or self.kept:
            return False
        if self.strength == 0:
            return True
        if self.mask is None:
            return False
        return self.mask.is_black(rows, columns)

    def overwrite(self, parts: tiles.Rows, tell: Callable[[float], None]) -> float:
        """Add the changes to the photograph; return the sum of the absolute changes made.

        A strip is written when the next one has been computed, which still looks at its pixels.
        What becomes of it is found out meanwhile, beside the network.
        """
        pixels, total = self.photo.pixels, 0.0
        waiting: tuple[slice, Future[tuple[Pixels, float]]] | None = None

        def write() -> float:
            if waiting is None:
                return 0.0
            rows, coming = waiting
            pixels[rows], changed = coming.result()
            return changed

        with ThreadPoolExecutor(1) as beside:
            for strip in parts:
                top, bottom = strip.top, strip.top + len(strip.rows)
                total += write()
                coming = beside.submit(self._changed, strip.rows, top, bottom)
                waiting = slice(top, bottom), coming
                tell(bottom / len(pixels))
            total += write()
        return total

    def _changed(self, change: Floats, top: int, bottom: int) -> tuple[Pixels, float]:
        mask = None if self.mask is None else self.mask.rows(top, bottom)
        new, total = np.empty_like(self.photo.pixels[top:bottom]), 0.0
        for first in range(0, bottom - top, AT_ONCE):
            few = slice(first, min(bottom - top, first + AT_ONCE))
            source = self.photo.pixels[top + few.start : top + few.stop]
            part = None if mask is None else mask[few]
            new[few], changed = self._rows_changed(change[few], source, part)
            total += changed
        return new, total

    def _rows_changed(
        self, change: Floats, source: Pixels, mask: Floats | None
    ) -> tuple[Pixels, float]:
        if self.strength != 1:
            change = change * np.float32(self.strength)
        own = self._own(change if mask is None else change * mask[..., None], source)
        # The source's own numbers plus the change: where that is 0 they stay bit for bit.
        numbers = own + source
        np.rint(numbers, out=numbers)
        np.clip(numbers, 0, self.photo.full, out=numbers)
        new = numbers.astype(source.dtype)
        if self.layers is not None:
            unmasked = own if mask is None else self._own(change, source)
            self.layers.add(source, unmasked, new, mask)
        numbers -= source
        return new, float(np.abs(numbers, out=numbers).sum(dtype=np.float64))

    def _own(self, change: Floats, source: Pixels) -> Floats:
        """Return a change of sRGB in 0..1 as one of the photograph's own numbers."""
        full = np.float32(self.photo.full)
        if self.space is not None:
            srgb = self.space.to_srgb(source.astype(np.float32) / full)
            moved = self.space.from_srgb(srgb + change) - self.space.from_srgb(srgb)
            change = np.where(change == 0, 0, moved)
        return change * full
