"""Read XMP, the metadata that programs write as XML beside or instead of EXIF (ISO 16684-1)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from xml.parsers import expat

__all__ = ["read_xmp"]

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PREFIXES = {
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/xap/1.0/": "xmp",
}


def read_xmp(packet: bytes) -> Mapping[str, str]:
    """Return the properties of an XMP packet that repeat EXIF's, such as ``{"tiff:Orientation": "6"}``.

    Of an array, the first item counts. Of a damaged packet, what stands before the damage is returned. A document type
    is damage: XMP has none, and its entities could be used to fill the memory.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    with suppress(expat.ExpatError, _DocumentTypeError):
        parser.Parse(packet.strip(b"\0\t\n\r "), True)
    return reader.properties


class _DocumentTypeError(Exception):
    pass


def _refuse(*_: object) -> None:
    raise _DocumentTypeError


class _Reader:
    """Collects properties: an attribute, or the first text in an element, also if that is an array."""

    def __init__(self) -> None:
        self.properties: dict[str, str] = {}
        self._open: list[str | None] = []  # properties whose elements are open; None for elements that are none
        self._texts: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._keep()
        self._open.append(self._open[-1] if self._open and name.startswith(_RDF) else _short(name))
        for attribute, value in attributes.items():
            if (key := _short(attribute)) is not None:
                self.properties.setdefault(key, value.strip())

    def end(self, _: str) -> None:
        self._keep()
        self._open.pop()

    def text(self, text: str) -> None:
        self._texts.append(text)

    def _keep(self) -> None:
        text = "".join(self._texts).strip()
        self._texts.clear()
        if text and self._open and self._open[-1] is not None:
            self.properties.setdefault(self._open[-1], text)


def _short(name: str) -> str | None:
    """Return a property's name with its namespace's usual prefix; None in other namespaces."""
    namespace, _, local = name.rpartition(" ")
    prefix = _PREFIXES.get(namespace)
    return None if prefix is None else f"{prefix}:{local}"
