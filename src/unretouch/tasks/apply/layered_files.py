"""Files with layers: PSD of 8 bits by psd-tools, TIFF of 16 bits by psdtags, as Photoshop has them.

Channels are deflated row by row while they come, in unnamed files, and copied from there into the
layered file piece by piece: memory holds no layer, deflated or not. Such a TIFF is a usual one, of
the flattened picture, with the layers in the tag ImageSourceData, of which programs that do not
know it see nothing.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from unretouch.base import durable
from unretouch.base.errors import DataError
from unretouch.base.messages import _
from unretouch.pixels import colour
from unretouch.pixels.images import row_strips
from unretouch.pixels.photos import Photo, Pixels, as_format, said_of, write_photo
from unretouch.pixels.spaces import luma

Ready = Callable[[Path], None]
Way = Literal["Normal", "Subtract", "Linear Dodge", "Linear Light"]
"""How a layer acts on what is below it."""
_KEYS: dict[Way, bytes] = {
    "Normal": b"norm", "Subtract": b"fsub", "Linear Dodge": b"lddg", "Linear Light": b"lLit",
}  # fmt: skip

GROUP = "restored texture"
PHOTOGRAPH = "photograph, untouched"
WITHOUT_LAYERS = _("Save it without layers")
LARGEST_SIDE = 30_000
"""Pixels, of a PSD."""
_LARGEST_PSD = 2 * 10**9
_LARGEST_TIFF = 2**32 - 1
_LEVEL = 1
"""Of zlib: texture gets hardly smaller above it, only slower."""
_PIECE = 2**20
"""Bytes that are copied at once."""
_OPAQUE, _MASK = -1, -2
"""Channels beside those of colour."""
_DEFLATED = 2
"""How a channel is compressed: ZIP without prediction."""
_END = "</Layer group>"
"""By convention the name of what marks the lower end of a group."""
_IMAGE_SOURCE_DATA = 37724
_UNDEFINED = 7


class Plane:
    """One channel of a layer, deflated, in an unnamed file."""

    def __init__(self, folder: Path) -> None:
        """Raises DiskError."""
        self._folder = folder
        self._deflate = zlib.compressobj(_LEVEL)
        self._whole = False
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError as error:
            raise durable.disk_error(error, folder) from error

    def add(self, rows: Pixels) -> None:
        """Take the next rows, (h, W). Raises DiskError."""
        self._put(self._deflate.compress(rows.astype(rows.dtype.newbyteorder(">")).tobytes()))

    def __len__(self) -> int:
        """Return how many bytes all rows take, deflated; no more can be added. Raises DiskError."""
        if not self._whole:
            self._put(self._deflate.flush())
            self._whole = True
        return self._file.seek(0, os.SEEK_END)

    def write(self, file: IO[bytes]) -> int:
        """Write all rows, deflated, into `file`; return how many bytes they take."""
        size = len(self)
        self._file.seek(0)
        shutil.copyfileobj(self._file, file, _PIECE)
        return size

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise durable.disk_error(error, self._folder, len(data)) from error


@dataclass(frozen=True)
class _InPsd:
    """A channel as psd-tools writes one."""

    plane: Plane

    @property
    def _length(self) -> int:
        return 2 + len(self.plane)

    def write(self, file: IO[bytes]) -> int:
        return file.write(struct.pack(">H", _DEFLATED)) + self.plane.write(file)


@dataclass(frozen=True)
class Layer:
    """A layer of the size of the picture, opaque."""

    name: str
    way: Way
    planes: Sequence[Plane]


def refuse_misfit(photo: Photo) -> None:
    """Raise DataError for a photograph that is too large for a file with layers, or HDR."""
    height, width = photo.pixels.shape[:2]
    if photo.full == 255 and max(height, width) > LARGEST_SIDE:
        what = _(
            "has {pixels} pixels a side, a PSD holds {most}",
            pixels=max(height, width),
            most=LARGEST_SIDE,
        )
        raise DataError(what, hint=WITHOUT_LAYERS)
    if hdr := colour.hdr_of(photo.profile):
        what = _("is HDR ({name}), which layers cannot tell", name=hdr)
        raise DataError(what, hint=WITHOUT_LAYERS)


def write_psd(
    path: Path,
    flat: Photo,
    group: Sequence[Layer],
    mask: Plane | None,
    keep_gps: bool,
    ready: Ready,
) -> None:
    """Write a PSD of the first layer, untouched, and above it the group, with its mask.

    `flat` is the picture that the layers make together. Raises DataError, DiskError.
    """
    from psd_tools.constants import BlendMode, ColorMode, Compression, SectionDivider, Tag
    from psd_tools.psd.document import PSD
    from psd_tools.psd.header import FileHeader
    from psd_tools.psd.image_data import ImageData
    from psd_tools.psd.layer_and_mask import (
        ChannelData,
        ChannelDataList,
        ChannelImageData,
        ChannelInfo,
        LayerAndMaskInformation,
        LayerInfo,
        LayerRecord,
        LayerRecords,
        MaskData,
    )
    from psd_tools.psd.tagged_blocks import TaggedBlocks

    height, width = flat.pixels.shape[:2]
    colours = range(len(group[0].planes))
    records: list[Any] = []
    pictures: list[Any] = []

    def put(name: str, way: bytes, channels: dict[int, Any], tags: Any, **more: Any) -> None:
        tags.set_data(Tag.UNICODE_LAYER_NAME, name)
        known = [ChannelInfo(id=channel) for channel in channels]
        records.append(
            LayerRecord(
                channel_info=known, blend_mode=BlendMode(way), name=name, tagged_blocks=tags, **more
            )
        )
        pictures.append(ChannelDataList(list(channels.values())))

    def divider(name: str, kind: Any, mask_of_it: Any = None) -> None:
        channels = dict.fromkeys((_OPAQUE, *colours), ChannelData())
        more = {}
        if mask_of_it is not None:
            channels[_MASK] = mask_of_it
            more = {"mask_data": MaskData(bottom=height, right=width)}
        tags = TaggedBlocks()
        tags.set_data(Tag.SECTION_DIVIDER_SETTING, kind, b"8BIM", BlendMode.NORMAL)
        put(name, b"norm", channels, tags, **more)

    opaque = ChannelData(compression=Compression.ZIP, data=_opaque(flat))
    for index, layer in enumerate(group):
        channels = {_OPAQUE: opaque, **{n: _InPsd(plane) for n, plane in enumerate(layer.planes)}}
        size = {"bottom": height, "right": width}
        if index == 0:
            put(PHOTOGRAPH, b"norm", channels, TaggedBlocks(), **size)
            divider(_END, SectionDivider.BOUNDING_SECTION_DIVIDER)
        put(layer.name, _KEYS[layer.way], channels, TaggedBlocks(), **size)
    divider(GROUP, SectionDivider.OPEN_FOLDER, None if mask is None else _InPsd(mask))
    mode = ColorMode.GRAYSCALE if len(colours) == 1 else ColorMode.RGB
    psd = PSD(
        header=FileHeader(
            version=1, channels=len(colours), height=height, width=width, depth=8, color_mode=mode
        ),
        image_resources=_resources(flat, keep_gps),
        layer_and_mask_information=LayerAndMaskInformation(
            LayerInfo(len(records), LayerRecords(records), ChannelImageData(pictures)),
            None,
            TaggedBlocks(),
        ),
        image_data=ImageData(compression=Compression.RAW),  # which comes last
    )
    temporary = path.with_name(path.name + durable.TEMPORARY_SUFFIX)
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            psd.write(file)
            _write_planes(file, flat)
            _refuse_size(file.tell(), _LARGEST_PSD, "PSD")
            file.flush()
            os.fsync(file.fileno())
        ready(temporary)
        durable.rename(temporary, path)
    except OSError as error:
        raise durable.disk_error(error, path, flat.pixels.nbytes) from error
    finally:
        if temporary.exists():
            durable.remove(temporary)


def _opaque(flat: Photo) -> bytes:
    deflate = zlib.compressobj(_LEVEL)
    height, width = flat.pixels.shape[:2]
    row = b"\xff" * (width * flat.pixels.itemsize)
    return b"".join([deflate.compress(row) for _ in range(height)]) + deflate.flush()


def _write_planes(file: IO[bytes], flat: Photo) -> None:
    for channel in range(1 if flat.grey else 3):
        for rows in row_strips(len(flat.pixels)):
            part = flat.pixels[rows]
            plane = np.rint(luma(part)).astype(part.dtype) if flat.grey else part[..., channel]
            file.write(plane.tobytes())


def _resources(flat: Photo, keep_gps: bool) -> Any:
    """Return what a PSD says beside its picture."""
    from psd_tools.constants import Resource
    from psd_tools.psd.image_resources import ImageResource, ImageResources, ResoulutionInfo

    said = said_of(flat, keep_gps=keep_gps)
    found = {
        Resource.IPTC_NAA: said.iptc,
        Resource.ICC_PROFILE: flat.profile,
        Resource.EXIF_DATA_1: said.exif,
        Resource.XMP_METADATA: said.xmp,
    }
    if flat.resolution is not None:
        across, down = (round(65536 * inch) for inch in flat.resolution)
        found[Resource.RESOLUTION_INFO] = ResoulutionInfo(across, 1, 1, down, 1, 1).tobytes()
    return ImageResources([
        (key, ImageResource(key=key, data=data)) for key, data in found.items() if data
    ])  # fmt: skip


def write_tiff(
    path: Path,
    flat: Photo,
    group: Sequence[Layer],
    mask: Plane | None,
    keep_gps: bool,
    ready: Ready,
) -> None:
    """Write a TIFF of 16 bits likewise; see write_psd."""

    def finished(temporary: Path) -> None:
        with temporary.open("rb+") as file:
            _append(file, lambda order: _source_data(file, order, flat, group, mask))
            file.flush()
            os.fsync(file.fileno())
        ready(temporary)

    write_photo(path, as_format(flat, "tiff"), keep_gps=keep_gps, ready=finished)


@dataclass(frozen=True)
class _InTiff:
    """A channel as psdtags writes one."""

    id: int
    pixels: Plane | bytes = b""
    """none for a channel without pixels"""

    def write(self, file: IO[bytes], layout: Any, compression: Any = None) -> bytes:
        """Write what is said of the channel. Its pixels follow behind all layers."""
        file.write(layout.pack("h", self.id) + layout.pack_size(2 + len(self.pixels)))
        return b""

    def write_pixels(self, file: IO[bytes], layout: Any) -> None:
        file.write(layout.pack("H", _DEFLATED if len(self.pixels) else 0))
        if isinstance(self.pixels, Plane):
            self.pixels.write(file)
        else:
            file.write(self.pixels)


@dataclass(frozen=True)
class _LayersInTiff:
    """All layers as psdtags writes them, but one channel after the other: its own way is to have
    those of all layers in memory first."""

    key: Any
    layers: Sequence[Any]

    def write(self, file: IO[bytes], layout: Any) -> None:
        start = file.tell()
        file.write(layout.pack("h", len(self.layers)))
        for layer in self.layers:
            layer.write(file, layout)
        for layer in self.layers:
            for channel in layer.channels:
                channel.write_pixels(file, layout)
        file.write(bytes((file.tell() - start) % 2))


def _source_data(
    file: IO[bytes], order: str, flat: Photo, group: Sequence[Layer], mask: Plane | None
) -> None:
    import psdtags

    height, width = flat.pixels.shape[:2]
    whole, nothing = psdtags.PsdRectangle(0, 0, height, width), psdtags.PsdRectangle(0, 0, 0, 0)
    flags = psdtags.PsdLayerFlag.PHOTOSHOP5
    colours = range(len(group[0].planes))

    def made(name: str, way: bytes, channels: list[_InTiff], size: Any, **more: Any) -> Any:
        named = psdtags.PsdString(psdtags.PsdKey.UNICODE_LAYER_NAME, name)
        info = [*more.pop("info", ()), named]
        mode = psdtags.PsdBlendMode(way)
        return psdtags.PsdLayer(
            name, channels, size, blendmode=mode, info=info, **{"flags": flags, **more}
        )

    def divider(name: str, kind: int, mask_of_it: Plane | None = None) -> Any:
        channels = [_InTiff(channel) for channel in (_OPAQUE, *colours)]
        setting = psdtags.PsdSectionDividerSetting(
            psdtags.PsdSectionDividerType(kind), psdtags.PsdBlendMode.NORMAL
        )
        more: dict[str, Any] = {"info": [setting], "flags": flags | psdtags.PsdLayerFlag.IRRELEVANT}
        if mask_of_it is not None:
            channels.append(_InTiff(_MASK, mask_of_it))
            more["mask"] = psdtags.PsdLayerMask(0, whole)
        return made(name, b"norm", channels, nothing, **more)

    opaque = _InTiff(_OPAQUE, _opaque(flat))
    layers: list[Any] = []
    for layer in group:
        planes = [_InTiff(n, plane) for n, plane in enumerate(layer.planes)]
        if not layers:
            layers.append(made(PHOTOGRAPH, b"norm", [opaque, *planes], whole))
            layers.append(divider(_END, 3))
        layers.append(made(layer.name, _KEYS[layer.way], [opaque, *planes], whole))
    layers.append(divider(GROUP, 1, mask))
    layout = psdtags.PsdFormat.LE32BIT if order == "<" else psdtags.PsdFormat.BE32BIT
    tag = psdtags.TiffImageSourceData(
        layout, _LayersInTiff(psdtags.PsdKey.LAYER_16, layers), psdtags.PsdUserMask()
    )
    tag.write(file)


def _append(file: IO[bytes], write: Callable[[str], None]) -> None:
    """Append ImageSourceData, which `write` writes in a byte order, to a TIFF file, with a new
    first directory. Raises DataError."""
    head = file.read(8)
    order = "<" if head[:2] == b"II" else ">"
    magic, first = struct.unpack(order + "HI", head[2:])
    if magic != 42:
        _refuse_size(_LARGEST_TIFF + 1, _LARGEST_TIFF, "TIFF")
    file.seek(first)
    (count,) = struct.unpack(order + "H", file.read(2))
    entries = [file.read(12) for _ in range(count)]
    following = file.read(4)
    start = file.seek(0, 2)
    start += file.write(bytes(start % 2))
    write(order)
    size = file.seek(0, 2) - start
    entries.append(struct.pack(order + "HHII", _IMAGE_SOURCE_DATA, _UNDEFINED, size, start))
    entries.sort(key=lambda entry: struct.unpack(order + "H", entry[:2]))
    directory = start + size + file.write(bytes(size % 2))
    _refuse_size(directory + 12 * len(entries) + 6, _LARGEST_TIFF, "TIFF")
    file.write(struct.pack(order + "H", len(entries)) + b"".join(entries) + following)
    file.seek(4)
    file.write(struct.pack(order + "I", directory))


def _refuse_size(size: int, largest: int, kind: str) -> None:
    if size > largest:
        what = _(
            "is too large for layers: a {kind} holds {most}",
            kind=kind,
            most=durable.megabytes(largest),
        )
        raise DataError(what, hint=WITHOUT_LAYERS)
