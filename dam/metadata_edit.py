"""What a download changes in the metadata blocks of a file, whatever file holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dam import iptc, photoshop_resources, tiff_place, xmp
from dam.containers.pieces import Unwritable

MANIFEST = b"c2pa"  # names the box of a manifest of provenance
COORDINATES = re.compile(rb"gpsl(?:at|on)", re.IGNORECASE)


@dataclass(frozen=True)
class MetadataEdit:
    """Values to be written, and whether the place is taken out.

    Attributes:
        properties: XMP properties by name; None takes one out.
        datasets: IPTC datasets by name, written where a file has an IPTC block.
        drops_manifest: a signed manifest of its provenance (C2PA) goes.
    """

    properties: Mapping[str, xmp.Value] = field(default_factory=dict)
    datasets: Mapping[str, list[str]] = field(default_factory=dict)
    hides_place: bool = False
    drops_manifest: bool = False

    @property
    def looks_aside(self) -> bool:
        """Whether blocks that no viewer needs are looked at."""
        return self.hides_place or self.drops_manifest

    def packet(self, packet: bytes | None) -> bytes | None:
        """What becomes of the file's XMP packet (None: it has none); None: it gets none.

        Raises:
            Unwritable: there is more in it than can be read, and it would be lost.
        """
        if packet is not None and len(packet) > xmp.MAX_PACKET_BYTES and not self.hides_place:
            raise Unwritable("too large an XMP packet")
        if packet is not None and self.hides_place:
            packet = _placeless(packet)
        if not self.properties:
            return packet
        try:
            return xmp.written(packet, self.properties)
        except xmp.XMPError:  # nobody can read what was there
            return xmp.written(None, self.properties)

    def exif(self, block: bytes) -> bytes | None:
        """What becomes of an EXIF block; None: it goes, since it is too damaged to be searched."""
        if not self.hides_place:
            return block
        try:
            return tiff_place.without_place(block)
        except Unwritable:
            return None

    def drops(self, block: bytes) -> bool:
        """Whether a block of another kind goes, such as a manifest of its provenance that tells the place."""
        if self.drops_manifest and MANIFEST in block:
            return True
        return self.hides_place and COORDINATES.search(block) is not None

    def resources(self, data: bytes) -> bytes:
        """What becomes of Photoshop's resources, with the IPTC block among them."""
        if self.hides_place:
            data = photoshop_resources.without_copies(data)
        if not self.datasets:
            return data
        if data.startswith(iptc.MARKER):  # a bare IPTC block, as some write into a PNG
            return iptc.written(data, self.datasets)
        return photoshop_resources.with_iptc(data, lambda block: iptc.written(block, self.datasets))


def _placeless(packet: bytes) -> bytes | None:
    try:
        return xmp.without_place(packet)
    except xmp.XMPError:
        return None
