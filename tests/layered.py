"""Layered files read back by other code than wrote them, and put together as painting programs do.

PSD by psd-tools' own decoding, TIFF by psdtags'; the arithmetic is that of the blend modes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Read:
    """What a layered file holds."""

    layers: list[tuple[str, str, Numbers]]
    """name, key of the blend mode and (H, W, C), from the bottom, without the ends of groups"""
    mask: Numbers | None
    """(H, W), of the group"""
    merged: Numbers
    """(H, W, C): what programs show that know no layers"""
    full: int

    def flattened(self) -> Numbers:
        """Return the picture: the first layer, and above it all others as one group."""
        (_, _, below), *group = self.layers
        now = np.zeros_like(below)
        for _, way, layer in group:
            match way:
                case "norm":
                    now = layer
                case "fsub":
                    now = now - layer
                case "lddg":
                    now = now + layer
                case "lLit":
                    now = now + 2 * layer - self.full
            assert now.min() >= 0, "cut at black by programs that cut"
            assert now.max() <= self.full, "cut at white by programs that cut"
        if self.mask is None:
            return now
        share = self.mask[..., None] / self.full
        return np.rint(below + share * (now - below)).astype(np.int64)


def read_psd(path: Path) -> Read:
    from psd_tools import PSDImage
    from psd_tools.api.layers import Group

    psd = PSDImage.open(path)
    photo, group = psd
    assert isinstance(group, Group)
    layers = [
        (layer.name, layer.blend_mode.value.decode(), _numbers(layer.numpy("color"), 255))
        for layer in (photo, *group)
    ]
    mask = None if group.mask is None else np.asarray(group.mask.topil()).astype(np.int64)
    return Read(layers, mask, _numbers(psd.numpy("color"), 255), 255)


def _numbers(shares: NDArray[np.float32] | None, full: int) -> Numbers:
    assert shares is not None
    return np.rint(shares * full).astype(np.int64)


def read_tiff(path: Path) -> Read:
    import tifffile
    from psdtags import TiffImageSourceData

    data = TiffImageSourceData.fromtiff(path)
    assert [layer.name for layer in data.layers if not layer.rectangle.shape[0]] == [
        "</Layer group>", "restored texture",
    ]  # fmt: skip
    layers, mask = [], None
    for layer in data.layers:
        planes = {int(c.channelid): c.data.astype(np.int64) for c in layer.channels}
        if layer.rectangle.shape[0]:
            colours = [planes[channel] for channel in sorted(planes) if channel >= 0]
            layers.append((layer.name, layer.blendmode.value.decode(), np.stack(colours, 2)))
        mask = planes.get(-2, mask)
    merged = tifffile.imread(path).astype(np.int64)
    return Read(layers, mask, merged.reshape(*merged.shape[:2], -1), 65535)
