"""Photographs in full size, depth and colour, with their profile and what the camera wrote."""

from unretouch.pixels.photos.photo import ENDINGS, FormatName, JpegCoding, Photo, Pixels
from unretouch.pixels.photos.reading import EXTENSIONS, as_format, read_photo
from unretouch.pixels.photos.writing import write_photo

__all__ = [
    "ENDINGS",
    "EXTENSIONS",
    "FormatName",
    "JpegCoding",
    "Photo",
    "Pixels",
    "as_format",
    "read_photo",
    "write_photo",
]
