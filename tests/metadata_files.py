"""Files with embedded metadata for tests: real pictures, and blocks made by hand."""

from __future__ import annotations

import re
import struct
from io import BytesIO

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from dam.containers import png
from dam.xmp import NAMESPACES
from tests.pictures import picture

XMP_TAG = 700
BERLIN = (52.0, 31.0, 12.0), (13.0, 24.0, 18.0)
# What a camera and an editor say of one picture, with the place in both.
FULL = """
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Crown</rdf:li><rdf:li xml:lang="en">Crown</rdf:li>
  <rdf:li xml:lang="zh-CN">皇冠</rdf:li><rdf:li xml:lang="fr">Couronne</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">A gold crown.</rdf:li>
  <rdf:li xml:lang="zh">金色的皇冠。</rdf:li></rdf:Alt></dc:description>
<Iptc4xmpCore:AltTextAccessibility><rdf:Alt><rdf:li xml:lang="x-default">Crown on white</rdf:li>
  <rdf:li xml:lang="zh-Hans">白底皇冠</rdf:li></rdf:Alt></Iptc4xmpCore:AltTextAccessibility>
<photoshop:Credit>Studio North</photoshop:Credit>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© Crown House</rdf:li></rdf:Alt></dc:rights>
<xmpRights:UsageTerms><rdf:Alt><rdf:li xml:lang="x-default">Web only</rdf:li></rdf:Alt></xmpRights:UsageTerms>
<dc:subject><rdf:Bag><rdf:li>gold</rdf:li><rdf:li>头饰</rdf:li></rdf:Bag></dc:subject>
<exif:GPSLatitude>52,31.2N</exif:GPSLatitude>
<Iptc4xmpExt:LocationCreated><rdf:Bag><rdf:li rdf:parseType="Resource">
  <exif:GPSLongitude>13,24.3E</exif:GPSLongitude><Iptc4xmpExt:City>Berlin</Iptc4xmpExt:City>
  </rdf:li></rdf:Bag></Iptc4xmpExt:LocationCreated>
<dji:GpsLongtitude xmlns:dji="http://www.dji.com/drone-dji/1.0/">13.4</dji:GpsLongtitude>
<studio:Shelf xmlns:studio="https://example.com/studio/">B7</studio:Shelf>
"""
FIELDS = {
    "title": "Crown",
    "title_zh": "皇冠",
    "description": "A gold crown.",
    "description_zh": "金色的皇冠。",
    "alt_text": "Crown on white",
    "alt_text_zh": "白底皇冠",
    "credit": "Studio North",
    "rights_holder": "© Crown House",
    "licence": "Web only",
}


def xmp_packet(properties: str) -> bytes:
    """An XMP packet around these properties, with the usual prefixes declared."""
    declared = " ".join(f'xmlns:{prefix}="{namespace}"' for prefix, namespace in NAMESPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared}>{properties}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def camera_exif(*, turned: int = 1) -> bytes:
    """An EXIF block as a camera writes it: make, moment, exposure, and where that was."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Maker", "Maker 5", turned
    exif.get_ifd(0x8769).update(
        {0x829A: IFDRational(1, 250), 0x829D: IFDRational(28, 10), 0x9003: "2026:05:04 10:20:30"}
    )
    latitude, longitude = BERLIN
    exif.get_ifd(0x8825).update({1: "N", 2: latitude, 3: "E", 4: longitude, 29: "2026:05:04"})
    return exif.tobytes()


def full_picture(format: str, seed: int = 0) -> bytes:
    """A picture of this format with EXIF and XMP that say everything, the place included."""
    size = (96, 64)
    if format == "PNG":  # Pillow writes no XMP into it
        plain = picture(format=format, seed=seed, size=size, exif=camera_exif())
        return before_pixels(plain, png.chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp_packet(FULL)))
    if format == "TIFF":
        exif = Image.Exif()
        exif.load(camera_exif())
        exif[XMP_TAG] = xmp_packet(FULL)
        return picture(format=format, seed=seed, size=size, exif=exif)
    return picture(format=format, seed=seed, size=size, exif=camera_exif(), xmp=xmp_packet(FULL))


def before_pixels(content: bytes, chunks: bytes) -> bytes:
    """The PNG with more chunks before its pixels."""
    at = content.index(b"IDAT") - 4
    return content[:at] + chunks + content[at:]


def iptc_block(*datasets: tuple[int, bytes]) -> bytes:
    """IIM datasets of record 2."""
    return b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value for number, value in datasets)


def with_iptc(jpeg: bytes, block: bytes) -> bytes:
    """The JPEG with this IPTC block among other resources of Photoshop."""
    resources = resource(0x0BB7, b"abc") + resource(0x0404, block)
    return with_segment(jpeg, 0xED, b"Photoshop 3.0\x00" + resources)


def resource(number: int, content: bytes) -> bytes:
    """One of Photoshop's resources, without a name."""
    head = b"8BIM" + struct.pack(">HHI", number, 0, len(content))
    return head + content + bytes(len(content) % 2)


def with_segment(jpeg: bytes, marker: int, payload: bytes) -> bytes:
    """The JPEG with one more segment at its beginning."""
    return jpeg[:2] + segment(marker, payload) + jpeg[2:]


def segment(marker: int, payload: bytes) -> bytes:
    """A JPEG's segment with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def two_pictures() -> bytes:
    """A red and a blue picture in one JPEG."""
    out = BytesIO()
    first, second = (Image.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    first.save(out, "MPO", save_all=True, append_images=[second])
    return out.getvalue()


def scans_of(jpeg: bytes) -> bytes:
    """Everything from the first scan on."""
    return jpeg[jpeg.index(b"\xff\xda") :]


def chunks_of(content: bytes, kinds: tuple[bytes, ...]) -> list[bytes]:
    """The payloads of these chunks of a PNG or WebP, in order."""
    is_png = content.startswith(png.SIGNATURE)
    at, order, found = (8, ">I", []) if is_png else (12, "<I", [])
    while at + 8 <= len(content):
        size = struct.unpack_from(order, content, at if is_png else at + 4)[0]
        kind = content[at + 4 : at + 8] if is_png else content[at : at + 4]
        if kind in kinds:
            found.append(content[at + 8 : at + 8 + size])
        at += size + 12 if is_png else 8 + size + size % 2
    return found


def pixels_of(content: bytes) -> tuple[str, tuple[int, int], bytes]:
    """Mode, size and every pixel."""
    with Image.open(BytesIO(content)) as image:
        return image.mode, image.size, image.tobytes()


def places_in(content: bytes) -> list[str]:
    """What in a file still tells a place: EXIF's directory, and names and values of XMP."""
    with Image.open(BytesIO(content)) as image:
        image.load()
        exif = image.getexif()
        found = [str(value) for value in exif.get_ifd(0x8825).values()] + ["GPSInfo"] * (0x8825 in exif)
    raw = re.findall(rb"GPSLatitude|GPSLongitude|GpsLongtitude|52,31|13,24", content)
    return found + [text.decode() for text in raw]
