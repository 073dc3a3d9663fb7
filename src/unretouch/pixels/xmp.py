"""XMP packets (ISO 16684-1): what must not travel is taken out, all else stays as it was."""

from __future__ import annotations

import re
from xml.etree import ElementTree

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_ALL = r"\w+"
_PLACES = {
    "http://ns.adobe.com/exif/1.0/": r"GPS\w+",
    "http://ns.adobe.com/photoshop/1.0/": "City|State|Country",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Location|CountryCode",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": r"Location\w*",
}
"""Where the picture was taken: by namespace, the names of what says so."""
_STALE = {
    "http://ns.adobe.com/xap/1.0/": "Thumbnails",
    "http://ns.adobe.com/xap/1.0/g/img/": _ALL,
    "http://ns.adobe.com/hdr-gain-map/1.0/": _ALL,
    "http://ns.apple.com/HDRGainMap/1.0/": _ALL,
    "http://ns.google.com/photos/1.0/container/": _ALL,
    "http://ns.google.com/photos/1.0/camera/": r"(?:MicroVideo|MotionPhoto)\w*",
    "http://ns.adobe.com/xmp/note/": _ALL,
}
"""What is said of parts of a file that do not come back: thumbnail, gain map, video, more XMP."""
_TIFF = "http://ns.adobe.com/tiff/1.0/"


def cleaned(packet: bytes, *, keep_gps: bool = False) -> bytes | None:
    """Return `packet` for a picture that was turned upright and changed.

    None where it says nothing then, or is not understood. Without `keep_gps` the place where the
    picture was taken is left out, in coordinates and in words.
    """
    try:
        text = packet.rstrip(b"\0").decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    removed = _STALE if keep_gps else {**_STALE, **_PLACES}
    for namespace, names in removed.items():
        text = _without(text, namespace, names)
    for prefix in _prefixes(text, _TIFF):
        name = rf"{re.escape(prefix)}:Orientation"
        text = re.sub(rf"(\b{name}\s*=\s*[\"'])\d+", r"\g<1>1", text)
        text = re.sub(rf"(<{name}\s*>\s*)\d+", r"\g<1>1", text)
    return text.encode() if _says_something(text, removed) else None


def without_settings(packet: bytes) -> bytes:
    """Return the packet without what a RAW program shall do to the picture: to one that is
    developed it would do it once more."""
    try:
        text = packet.rstrip(b"\0").decode("utf-8-sig")
    except UnicodeDecodeError:
        return packet
    return _without(text, "http://ns.adobe.com/camera-raw-settings/1.0/", _ALL).encode()


def is_understood(packet: bytes) -> bool:
    """Return whether the packet can be read."""
    try:
        return _root(packet.rstrip(b"\0").decode("utf-8-sig")) is not None
    except UnicodeDecodeError:
        return False


def has_gain_map(packet: bytes) -> bool:
    """Return whether the packet speaks of a gain map, which makes an HDR picture of this one."""
    return b"hdr-gain-map/1.0/" in packet or b"HDRGainMap" in packet or b'"GainMap"' in packet


def _without(text: str, namespace: str, names: str) -> str:
    for prefix in _prefixes(text, namespace):
        name = rf"{re.escape(prefix)}:(?:{names})"
        text = re.sub(rf"\s+{name}\s*=\s*(?:\"[^\"]*\"|'[^']*')", "", text)
        text = re.sub(
            rf"<({name})(?:\s[^<>]*)?(?:/>|(?<!/)>.*?</\1\s*>)", "", text, flags=re.DOTALL
        )
    return text


def _prefixes(text: str, namespace: str) -> set[str]:
    return set(re.findall(rf"xmlns:([\w.-]+)\s*=\s*[\"']{re.escape(namespace)}[\"']", text))


def _says_something(text: str, removed: dict[str, str]) -> bool:
    """Return whether anything is said, and nothing of what was to be `removed`."""
    root = _root(text)
    if root is None:
        return False
    names = [name for each in root.iter() for name in (each.tag, *each.attrib)]
    said = [str(name)[1:].split("}") for name in names if str(name).startswith("{")]
    if any(re.fullmatch(removed.get(uri, "(?!)"), name) for uri, name in said):
        return False
    return any(uri not in (_RDF, "adobe:ns:meta/") for uri, _ in said)


def _root(text: str) -> ElementTree.Element | None:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    start = text.find("<?xml ")  # not before it, but behind the processing instruction of XMP
    try:
        return ElementTree.fromstring(text[start:] if start > 0 else text)
    except ElementTree.ParseError:
        return None
