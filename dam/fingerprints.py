"""What a picture looks like in a few bytes: a perceptual hash and a layout of colours, and how near two are.

The hash is imagehash's DCT hash of 64 bits. To find near ones among a million without looking at all of
them it is cut into four bands of 16 bits: two hashes that differ in at most 11 bits agree in one band up to
2 bits (pigeonhole; Norouzi et al., “Fast Search in Hamming Space with Multi-Index Hashing”, CVPR 2012), so
that looking up each band's neighbours finds every one of them.

The hash is blind to colour: a red dress and the same dress in blue hash alike. The layout, the mean colour
of each cell of a 4 × 4 grid (after MPEG-7's colour layout descriptor, ISO/IEC 15938-3), tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dam.colours import to_lab

BANDS = 4
BAND_BITS = 16
HASH_BITS = BANDS * BAND_BITS
NEAR = 10  # bits
NEAR_TURNED = 7  # bits; a turned picture's hash is known only up to a few bits
CERTAIN = 6  # bits; beyond, the colours must agree closely
SAME_COLOURS = 20.0  # mean distance in CIELAB of the cells that differ most
VERY_SAME_COLOURS = 10.0
JUDGED_CELLS = 4  # a small thing in another colour changes few cells
GREY = 4.0  # chroma below which a picture counts as grey
GREY_COPY = 4  # bits; so near, a grey picture is a copy of a coloured one
_SIDE = 4
_HASH_SIDE = 8
_ZERO = np.array((0, 128, 128), np.float32)  # where the byte of a colourless cell lies
_TURNS = [(transposed, up, left) for transposed in (0, 1) for up in (0, 1) for left in (0, 1)]

Cells = NDArray[np.float32]


@dataclass(frozen=True)
class Fingerprint:
    """A hash as 16 hexadecimal digits and a layout as 96 (L, a, b of 16 cells, a byte each)."""

    hash: str
    layout: str

    @property
    def bands(self) -> tuple[int, ...]:
        """Four numbers of 16 bits."""
        return bands_of(int(self.hash, 16))


@dataclass(frozen=True)
class Nearness:
    """How two pictures are alike: in how many bits they differ, and whether one is turned or mirrored."""

    distance: int
    turned: bool


def fingerprint(image: Image.Image) -> Fingerprint:
    """The fingerprint of an RGB picture."""
    cells = to_lab(np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BOX)))
    rounded = np.clip(np.round(cells + _ZERO), 0, 255).astype(np.uint8)
    return Fingerprint(str(imagehash.phash(image)), rounded.tobytes().hex())


def bands_of(hash_bits: int) -> tuple[int, ...]:
    """The bands of a hash, highest bits first."""
    mask = (1 << BAND_BITS) - 1
    return tuple(hash_bits >> (BAND_BITS * band) & mask for band in reversed(range(BANDS)))


def probes(mine: Fingerprint) -> list[set[int]]:
    """For each band, the values that a near picture's band may have; one of the four does."""
    found: list[set[int]] = [set() for _band in range(BANDS)]
    for number, variant in enumerate(_turned_hashes(mine.hash)):
        reach = (NEAR if number == 0 else NEAR_TURNED) // BANDS
        for values, band in zip(found, bands_of(variant), strict=True):
            values.update(band ^ flips for flips in _flips(reach))
    return found


def within_reach(mine: Fingerprint, hashes: Sequence[str]) -> NDArray[np.intp]:
    """Which of many hashes lie within the distance of a copy; the colours are still to be compared."""
    if not hashes:
        return np.empty(0, np.intp)
    others = np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").astype(np.uint64)
    variants = np.fromiter(_turned_hashes(mine.hash), np.uint64, len(_TURNS))
    distances = np.bitwise_count(others[:, None] ^ variants[None])
    reach = np.array([NEAR, *[NEAR_TURNED] * (len(_TURNS) - 1)])
    return np.flatnonzero((distances <= reach).any(axis=1))


def nearness(mine: Fingerprint, other: Fingerprint) -> Nearness | None:
    """How near they are; None: they are different pictures."""
    other_bits = int(other.hash, 16)
    for number, (variant, turn) in enumerate(zip(_turned_hashes(mine.hash), _TURNS, strict=True)):
        distance = (variant ^ other_bits).bit_count()
        if distance > (NEAR if number == 0 else NEAR_TURNED):
            continue
        if _same_colours(_turned_cells(_cells(mine.layout), turn), _cells(other.layout), distance):
            return Nearness(distance, turned=number > 0)
    return None


def _same_colours(mine: Cells, other: Cells, distance: int) -> bool:
    """Compare cell by cell, leaving out how bright the whole is: copies are often lightened."""
    difference = mine - other
    difference[..., 0] -= difference[..., 0].mean()
    if distance <= GREY_COPY and (_is_grey(mine) or _is_grey(other)):
        difference[..., 1:] = 0
    limit = SAME_COLOURS if distance <= CERTAIN else VERY_SAME_COLOURS
    by_cell = np.sqrt((difference**2).sum(axis=-1)).ravel()
    return bool(np.sort(by_cell)[-JUDGED_CELLS:].mean() <= limit)


def _is_grey(cells: Cells) -> bool:
    return bool(np.hypot(cells[..., 1], cells[..., 2]).max() < GREY)


def _cells(layout: str) -> Cells:
    raw = np.frombuffer(bytes.fromhex(layout), np.uint8).astype(np.float32)
    return raw.reshape(_SIDE, _SIDE, 3) - _ZERO


def _turned_cells(cells: Cells, turn: tuple[int, int, int]) -> Cells:
    transposed, up, left = turn
    turned = cells.transpose(1, 0, 2) if transposed else cells
    return turned[:: -1 if up else 1, :: -1 if left else 1].copy()


def _turned_hashes(digits: str) -> Iterator[int]:
    """The hashes of the picture in its eight orientations, itself first.

    Mirroring a picture negates its odd cosine coefficients, turning it transposes them too; a bit says
    whether a coefficient lies above the median, which is close to zero. So nearly all bits are known.
    """
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8)).reshape(_HASH_SIDE, _HASH_SIDE)
    odd = np.arange(_HASH_SIDE) % 2
    for transposed, up, left in _TURNS:
        flipped = (odd[:, None] * up + odd[None, :] * left) % 2
        turned = (bits.T if transposed else bits) ^ flipped.astype(np.uint8)
        yield int.from_bytes(np.packbits(turned).tobytes(), "big")


@cache
def _flips(most: int) -> tuple[int, ...]:
    """Every way to change at most so many bits of a band, as masks."""
    return tuple(
        sum(1 << bit for bit in chosen)
        for count in range(most + 1)
        for chosen in combinations(range(BAND_BITS), count)
    )
