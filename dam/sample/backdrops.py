"""Backgrounds to put people and products on, drawn for the sample library as flat vector landscapes.

Each leaves its lower middle free, where boards place what they show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import pi, sin

WIDTH, HEIGHT = 1536, 1024


@dataclass(frozen=True)
class Backdrop:
    """One background."""

    code: str
    title: str
    title_zh: str
    tags: tuple[str, ...]
    draw: Callable[[], str]

    @property
    def svg(self) -> bytes:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}">{self.draw()}</svg>'
        ).encode()


def gradient(name: str, *stops: tuple[float, str], across: bool = False) -> str:
    """A linear gradient from top to bottom, or from left to right; stops are (offset, colour)."""
    x2, y2 = (1, 0) if across else (0, 1)
    inner = "".join(f'<stop offset="{offset}" stop-color="{colour}"/>' for offset, colour in stops)
    return (
        f'<defs><linearGradient id="{name}" x1="0" y1="0" x2="{x2}" y2="{y2}">{inner}</linearGradient></defs>'
    )


def glow(name: str, colour: str, strength: float = 1.0) -> str:
    """A radial gradient from a colour to nothing."""
    return (
        f'<defs><radialGradient id="{name}">'
        f'<stop offset="0" stop-color="{colour}" stop-opacity="{strength}"/>'
        f'<stop offset="1" stop-color="{colour}" stop-opacity="0"/></radialGradient></defs>'
    )


def box(
    x: float, y: float, width: float, height: float, fill: str, radius: float = 0, opacity: float = 1
) -> str:
    """A rectangle, with round corners if `radius` is given."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius}" '
        f'fill="{fill}" fill-opacity="{opacity}"/>'
    )


def disc(x: float, y: float, radius: float, fill: str, opacity: float = 1, flat: float = 1) -> str:
    """A circle; `flat` below 1 makes it an ellipse lying on the ground."""
    return (
        f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{radius:.1f}" ry="{radius * flat:.1f}" '
        f'fill="{fill}" fill-opacity="{opacity}"/>'
    )


def shape(points: str, fill: str, opacity: float = 1) -> str:
    """A filled path."""
    return f'<path d="{points}" fill="{fill}" fill-opacity="{opacity}"/>'


def ridge(base: float, swing: float, waves: float, phase: float, fill: str, opacity: float = 1) -> str:
    """A range of hills across the whole width, down to the lower edge."""
    steps = 64
    line = " ".join(
        f"L{WIDTH * step / steps:.1f},{base - swing * _hill(step / steps, waves, phase):.1f}"
        for step in range(steps + 1)
    )
    return shape(f"M0,{HEIGHT} {line} L{WIDTH},{HEIGHT} Z", fill, opacity)


def _hill(at: float, waves: float, phase: float) -> float:
    turn = 2 * pi * at
    return 0.6 * sin(turn * waves + phase) + 0.4 * sin(turn * waves * 2.3 + 1.7 * phase)


def peaks(base: float, tips: list[tuple[float, float]], fill: str, snow: str = "") -> str:
    """Pointed mountains; each tip is (x, y), and its slopes fall at one angle."""
    drawn = ""
    for x, y in tips:
        half = (base - y) * 0.95
        drawn += shape(f"M{x - half:.0f},{base} L{x:.0f},{y} L{x + half:.0f},{base} Z", fill)
        if snow:
            cap = (base - y) * 0.28
            drawn += shape(
                f"M{x},{y} L{x - cap * 0.95:.0f},{y + cap:.0f} L{x - cap * 0.35:.0f},{y + cap * 0.78:.0f} "
                f"L{x:.0f},{y + cap * 1.12:.0f} L{x + cap * 0.4:.0f},{y + cap * 0.8:.0f} "
                f"L{x + cap * 0.95:.0f},{y + cap:.0f} Z",
                snow,
            )
    return drawn


def pine(x: float, foot: float, height: float, fill: str) -> str:
    """A conifer of three tiers."""
    drawn = box(x - height * 0.03, foot - height * 0.12, height * 0.06, height * 0.12, "#5b4636")
    for tier in range(3):
        top = foot - height + tier * height * 0.26
        half = height * (0.14 + 0.06 * tier)
        hem = top + height * 0.4
        drawn += shape(f"M{x - half:.1f},{hem:.1f} L{x:.1f},{top:.1f} L{x + half:.1f},{hem:.1f} Z", fill)
    return drawn


def cloud(x: float, y: float, size: float, fill: str = "#ffffff", opacity: float = 0.85) -> str:
    """A flat-bottomed cloud."""
    puffs = ((0, 0, 0.5), (0.55, -0.22, 0.62), (1.2, 0, 0.48))
    drawn = "".join(disc(x + dx * size, y + dy * size, r * size, fill) for dx, dy, r in puffs)
    drawn += box(x - 0.5 * size, y, 2.18 * size, 0.5 * size, fill, radius=0.25 * size)
    return f'<g opacity="{opacity}">{drawn}</g>'


def scattered(count: int, salt: int) -> Iterator[tuple[float, float]]:
    """Points in the unit square that look random and are always the same."""
    for index in range(count):
        yield ((index * 0.754877666 + salt * 0.137) % 1, (index * 0.569840296 + salt * 0.311) % 1)


def paper_studio() -> str:
    return (
        gradient("wall", (0, "#f3e9dc"), (1, "#e9d9c5"))
        + gradient("floor", (0, "#dcc6ab"), (1, "#efe2d0"))
        + glow("light", "#fffaf2", 0.95)
        + box(0, 0, WIDTH, HEIGHT, "url(#wall)")
        + shape("M0,700 C500,720 1036,720 1536,700 L1536,1024 L0,1024 Z", "url(#floor)")
        + disc(768, 420, 620, "url(#light)")
        + disc(768, 905, 470, "#b89c7c", 0.18, flat=0.13)
    )


def grey_studio() -> str:
    beams = shape("M560,0 L980,0 L1250,1024 L290,1024 Z", "#ffffff", 0.07)
    return (
        gradient("wall", (0, "#5d6470"), (0.65, "#9aa1ab"), (0.68, "#7c838e"), (1, "#b9bfc7"))
        + glow("spot", "#ffffff", 0.55)
        + box(0, 0, WIDTH, HEIGHT, "url(#wall)")
        + beams
        + disc(768, 470, 560, "url(#spot)")
        + disc(768, 900, 480, "#3b414b", 0.22, flat=0.14)
    )


def podium() -> str:
    arches = "".join(
        shape(f"M{x},760 V{top + 170} A170,170 0 0 1 {x + 340},{top + 170} V760 Z", fill)
        for x, top, fill in ((120, 300, "#f2b8a8"), (1080, 250, "#f6cfc1"))
    )
    return (
        gradient("wall", (0, "#fbe3d8"), (1, "#f7d0c0"))
        + gradient("side", (0, "#f6efe9"), (0.5, "#ffffff"), (1, "#e3d3c8"), across=True)
        + glow("sun", "#fff6ef", 0.9)
        + box(0, 0, WIDTH, HEIGHT, "url(#wall)")
        + disc(1180, 210, 360, "url(#sun)")
        + arches
        + box(0, 760, WIDTH, 264, "#eab7a4")
        + shape("M0,760 H1536 V800 C1000,770 500,780 0,812 Z", "#dfa48f", 0.5)
        + box(418, 840, 700, 130, "url(#side)")
        + disc(768, 970, 350, "#dcc7ba", flat=0.14)
        + box(418, 838, 700, 132, "url(#side)")
        + disc(768, 838, 350, "#fffdfb", flat=0.14)
        + disc(250, 830, 78, "#d98f78")
        + disc(228, 806, 30, "#eeb29d", 0.7)
    )


def office() -> str:
    skyline = "".join(
        box(140 + index * 96, 470 - height, 80, height, "#b9cfe0" if index % 2 else "#a8c3d8")
        for index, height in enumerate((150, 250, 190, 310, 120, 270, 210, 170, 290, 140, 230, 180))
    )
    frames = "".join(box(x, 80, 16, 400, "#f7f9fa") for x in (124, 440, 760, 1080, 1396))
    shelf = "".join(
        box(1190 + index * 34, 560 - height, 26, height, colour)
        for index, (height, colour) in enumerate(
            (
                (70, "#e07a5f"),
                (88, "#3d7a8c"),
                (62, "#f2cc8f"),
                (80, "#81b29a"),
                (74, "#c8553d"),
                (84, "#6d8ea0"),
            )
        )
    )
    leaves = "".join(
        f'<ellipse cx="0" cy="-95" rx="26" ry="95" fill="{fill}" '
        f'transform="translate(190 742) rotate({turn})"/>'
        for turn, fill in (
            (-55, "#4f8a6b"),
            (-25, "#5d9c7a"),
            (5, "#478061"),
            (32, "#63a581"),
            (60, "#4f8a6b"),
        )
    )
    return (
        gradient("sky", (0, "#cfe6f5"), (1, "#f5f2e8"))
        + gradient("floor", (0, "#d9b992"), (1, "#c39c70"))
        + box(0, 0, WIDTH, HEIGHT, "#eef1f2")
        + box(124, 80, 1288, 400, "url(#sky)")
        + cloud(300, 170, 60)
        + cloud(980, 150, 50)
        + skyline
        + frames
        + box(108, 64, 1320, 18, "#f7f9fa")
        + box(108, 472, 1320, 22, "#dfe5e8")
        + box(0, 790, WIDTH, 234, "url(#floor)")
        + box(0, 780, WIDTH, 14, "#d5dbde")
        + box(1170, 560, 250, 14, "#b98b5e")
        + shelf
        + leaves
        + shape("M130,740 H250 L232,850 H148 Z", "#c8704d")
        + box(1120, 690, 340, 20, "#a9774a")
        + box(1140, 710, 18, 150, "#8a5f3a")
        + box(1424, 710, 18, 150, "#8a5f3a")
        + box(1220, 580, 150, 96, "#39424b", radius=8)
        + box(1229, 589, 132, 74, "#8fc1de", radius=4)
        + box(1286, 676, 18, 14, "#39424b")
        + disc(768, 930, 430, "#8a6a45", 0.16, flat=0.12)
    )


def mountains() -> str:
    trees = "".join(
        pine(x, foot, height, fill)
        for x, foot, height, fill in (
            (70, 850, 290, "#2f6650"), (190, 880, 220, "#3a7a5f"), (310, 850, 170, "#2f6650"),
            (1240, 850, 190, "#3a7a5f"), (1350, 885, 270, "#2f6650"), (1470, 860, 320, "#3a7a5f"),
        )
    )  # fmt: skip
    return (
        gradient("sky", (0, "#8cc9f0"), (1, "#eaf6fb"))
        + glow("sun", "#fff3c4", 0.95)
        + box(0, 0, WIDTH, HEIGHT, "url(#sky)")
        + disc(1200, 190, 260, "url(#sun)")
        + disc(1200, 190, 70, "#ffe38a")
        + cloud(220, 190, 80)
        + cloud(760, 130, 62)
        + peaks(720, [(260, 300), (1290, 330)], "#a9bfd3", "#ffffff")
        + peaks(740, [(560, 220), (980, 280)], "#7f9ab3", "#ffffff")
        + ridge(690, 46, 1.3, 0.6, "#8fbf8a")
        + ridge(760, 34, 1.7, 2.1, "#6faa6d")
        + trees
        + ridge(850, 20, 1.1, 4.0, "#5b9a5c")
        + shape(
            "M700,1024 C730,960 820,930 770,880 C740,850 790,838 800,832 L820,834 "
            "C830,860 800,868 850,900 C900,940 860,980 900,1024 Z",
            "#d9c79a",
            0.8,
        )
    )


def beach() -> str:
    glints = "".join(
        box(768 + (x - 0.5) * (150 + 170 * y) - 45, 572 + 190 * y, 60 + 60 * x, 6, "#ffe0a3", 3, 0.75)
        for x, y in scattered(18, 3)
    )
    fronds = "".join(
        '<path d="M0,0 C60,-70 150,-70 210,-10 C140,-34 70,-24 0,0 Z" fill="#3c2a4d" '
        f'transform="translate(1330 300) rotate({turn})"/>'
        for turn in (-165, -130, -95, -50, -15, 20, 160)
    )
    return (
        gradient("sky", (0, "#40367a"), (0.35, "#b1497e"), (0.7, "#f58a5c"), (1, "#ffd27a"))
        + gradient("sea", (0, "#e8835f"), (0.4, "#8b4f86"), (1, "#3f4a8a"))
        + gradient("sand", (0, "#c98f6b"), (1, "#e9bf8f"))
        + glow("halo", "#ffe6a8", 0.9)
        + box(0, 0, WIDTH, 560, "url(#sky)")
        + disc(768, 540, 420, "url(#halo)")
        + disc(768, 540, 120, "#fff0b8")
        + box(0, 552, WIDTH, 300, "url(#sea)")
        + glints
        + cloud(180, 250, 66, "#f7b08a", 0.55)
        + cloud(1000, 200, 54, "#f7a58a", 0.5)
        + shape("M0,800 C300,750 620,770 860,790 C1120,812 1360,770 1536,790 V1024 H0 Z", "#f6d9b0", 0.9)
        + shape("M0,822 C300,776 620,796 860,814 C1120,836 1360,796 1536,814 V1024 H0 Z", "url(#sand)")
        + shape("M1356,880 C1372,680 1350,460 1318,306 L1342,300 C1384,470 1410,690 1400,880 Z", "#3c2a4d")
        + fronds
        + disc(1318, 318, 15, "#5a3a4a")
        + disc(1344, 326, 15, "#4b3045")
    )


def night_city() -> str:
    heights = (360, 470, 300, 560, 410, 620, 350, 520, 440, 580, 330, 490, 400)
    towers = (*heights[3:], *heights[:3])[:9]
    stars = "".join(
        disc(x * WIDTH, y * 420, 1.6 + 1.6 * x, "#ffffff", 0.4 + 0.5 * y) for x, y in scattered(70, 5)
    )
    back = "".join(
        box(index * 120 - 40, 860 - height * 0.98, 104, height, "#283268")
        for index, height in enumerate(heights)
    )
    front = "".join(
        box(index * 190 - 60, 880 - height * 0.72, 150, height, "#161c42") + _lit_windows(index, height)
        for index, height in enumerate(towers)
    )
    return (
        gradient("sky", (0, "#0b1033"), (0.6, "#2b2f72"), (1, "#7b4b94"))
        + gradient("street", (0, "#20264f"), (1, "#3a3f75"))
        + glow("moonlight", "#fdf6d8", 0.55)
        + box(0, 0, WIDTH, HEIGHT, "url(#sky)")
        + stars
        + disc(1180, 190, 210, "url(#moonlight)")
        + disc(1180, 190, 66, "#fdf3cf")
        + disc(1160, 176, 14, "#e9dcb0")
        + disc(1200, 212, 9, "#e9dcb0")
        + back
        + front
        + box(0, 872, WIDTH, 152, "url(#street)")
        + box(0, 866, WIDTH, 10, "#4b5190")
        + "".join(box(60 + index * 260, 946, 130, 8, "#f3d36b", 4, 0.8) for index in range(6))
        + disc(768, 960, 460, "#ffcf7a", 0.12, flat=0.14)
    )


def _lit_windows(tower: int, height: float) -> str:
    top = 900 - height * 0.72
    rows = height * 0.66 / 34
    return "".join(
        box(
            tower * 190 - 46 + int(x * 5) * 26,
            top + int(y * rows) * 34,
            14,
            18,
            ("#ffd873", "#ffb85c", "#9fd6ff")[number % 3],
            radius=2,
            opacity=0.92,
        )
        for number, (x, y) in enumerate(scattered(18, tower))
    )


def forest() -> str:
    def trunks(count: int, salt: int, width: float, fill: str) -> str:
        drawn = ""
        for x, y in scattered(count, salt):
            if not 0.36 < x < 0.6 or width < 40:  # thick ones leave the middle free
                left, foot = x * WIDTH, 780 + y * 60
                drawn += shape(
                    f"M{left:.0f},0 L{left + width:.0f},0 L{left + width * 1.3:.0f},{foot:.0f} "
                    f"L{left - width * 0.3:.0f},{foot:.0f} Z",
                    fill,
                )
        return drawn

    rays = "".join(
        shape(f"M{x},0 L{x + 110},0 L{x - 120},{HEIGHT} L{x - 420},{HEIGHT} Z", "#fff7c9", 0.16)
        for x in (560, 820, 1120)
    )
    ferns = "".join(
        disc(x * WIDTH, 850 + y * 150, 26 + 40 * y, "#2c6a48" if x > 0.5 else "#35794f", flat=0.5)
        for x, y in scattered(26, 2)
        if not 0.3 < x < 0.7
    )
    return (
        gradient("air", (0, "#d7efc0"), (1, "#f2f6cf"))
        + gradient("moss", (0, "#5f9d57"), (1, "#3f7d4c"))
        + box(0, 0, WIDTH, HEIGHT, "url(#air)")
        + trunks(16, 1, 22, "#a8cfa0")
        + trunks(12, 4, 38, "#7db083")
        + rays
        + ridge(800, 18, 1.4, 1.0, "url(#moss)")
        + trunks(9, 6, 74, "#4a5d45")
        + shape(
            "M0,0 H1536 V110 C1300,210 1120,90 900,150 C700,205 480,80 280,170 C160,220 60,170 0,190 Z",
            "#4f9158",
        )
        + shape(
            "M0,0 H1536 V60 C1360,140 1160,50 960,96 C720,150 560,40 330,104 C180,150 70,100 0,120 Z",
            "#3b7a4b",
        )
        + ferns
        + disc(768, 930, 430, "#d9ec9c", 0.28, flat=0.16)
    )


def living_room() -> str:
    return (
        gradient("wall", (0, "#dfe8e2"), (1, "#cfdcd4"))
        + gradient("floor", (0, "#d8b48a"), (1, "#c59a6b"))
        + glow("lamp", "#fff1c9", 0.85)
        + box(0, 0, WIDTH, HEIGHT, "url(#wall)")
        + box(0, 760, WIDTH, 264, "url(#floor)")
        + box(0, 748, WIDTH, 16, "#f5f7f5")
        + box(560, 150, 190, 250, "#ffffff")
        + box(574, 164, 162, 222, "#f4d9c6")
        + shape("M574,386 L640,270 L690,340 L712,310 L736,386 Z", "#6d8f86")
        + disc(690, 220, 24, "#e58f6a")
        + box(790, 190, 150, 190, "#ffffff")
        + box(802, 202, 126, 166, "#34535a")
        + disc(865, 285, 44, "#f2c078")
        + disc(1310, 330, 330, "url(#lamp)")
        + box(1304, 360, 12, 420, "#5d4a3a")
        + disc(1310, 784, 70, "#5d4a3a", flat=0.2)
        + shape("M1240,370 L1274,250 H1346 L1380,370 Z", "#f3c77b")
        + box(110, 540, 400, 180, "#3f7f86", radius=34)
        + box(80, 610, 70, 170, "#357077", radius=30)
        + box(470, 610, 70, 170, "#357077", radius=30)
        + box(130, 660, 350, 90, "#4b939a", radius=20)
        + box(190, 590, 110, 90, "#f2b45f", radius=16)
        + box(120, 776, 20, 40, "#5d4a3a")
        + box(482, 776, 20, 40, "#5d4a3a")
        + disc(800, 920, 500, "#f3e7d6", flat=0.16)
        + disc(800, 920, 440, "#e8cfb3", 0.7, flat=0.14)
    )


def winter() -> str:
    flakes = "".join(
        disc(x * WIDTH, y * 860, 3 + 4 * ((x * 7) % 1), "#ffffff", 0.85) for x, y in scattered(90, 8)
    )
    trees = "".join(
        pine(x, foot, height, fill)
        for x, foot, height, fill in (
            (110, 840, 260, "#4c7f93"), (250, 860, 190, "#5d93a6"), (380, 830, 150, "#4c7f93"),
            (1180, 835, 160, "#5d93a6"), (1300, 862, 230, "#4c7f93"), (1440, 840, 290, "#5d93a6"),
        )
    )  # fmt: skip
    house = (
        box(930, 640, 170, 120, "#a9593f")
        + shape("M905,650 L1015,560 L1125,650 Z", "#f7fbfe")
        + box(990, 690, 48, 70, "#6b3a2a")
        + box(948, 672, 34, 34, "#ffd27a")
        + box(1050, 672, 34, 34, "#ffd27a")
        + box(1062, 566, 26, 54, "#8d4a35")
    )
    return (
        gradient("sky", (0, "#9fc4df"), (1, "#f1f6fa"))
        + box(0, 0, WIDTH, HEIGHT, "url(#sky)")
        + peaks(740, [(330, 350), (820, 280), (1310, 380)], "#b5cde0", "#ffffff")
        + ridge(740, 34, 1.2, 0.2, "#e3eff7")
        + house
        + trees
        + ridge(830, 28, 0.9, 2.4, "#f2f8fc")
        + ridge(930, 16, 1.3, 1.1, "#ffffff")
        + flakes
    )


def desert() -> str:
    def cactus(x: float, foot: float, size: float) -> str:
        stem = box(x - 0.16 * size, foot - 1.6 * size, 0.32 * size, 1.6 * size, "#4f8a5b", 0.16 * size)
        left = box(x - 0.62 * size, foot - 0.86 * size, 0.5 * size, 0.22 * size, "#4f8a5b", 0.11 * size)
        left += box(x - 0.62 * size, foot - 1.3 * size, 0.22 * size, 0.6 * size, "#4f8a5b", 0.11 * size)
        right = box(x + 0.1 * size, foot - 0.66 * size, 0.5 * size, 0.22 * size, "#4f8a5b", 0.11 * size)
        right += box(x + 0.4 * size, foot - 1.14 * size, 0.22 * size, 0.66 * size, "#4f8a5b", 0.11 * size)
        return stem + left + right

    return (
        gradient("sky", (0, "#58b4d8"), (0.7, "#f9e2b4"), (1, "#fbd08a"))
        + gradient("sand", (0, "#f0b45f"), (1, "#e0954a"))
        + glow("sun", "#fff4cf", 1.0)
        + box(0, 0, WIDTH, HEIGHT, "url(#sky)")
        + disc(420, 250, 280, "url(#sun)")
        + disc(420, 250, 76, "#fff1b5")
        + shape("M960,640 L1000,430 H1130 L1160,520 H1300 L1340,640 Z", "#c9704a")
        + shape("M1000,430 H1130 L1139,460 H994 Z", "#b35f3d")
        + ridge(660, 40, 1.0, 0.4, "#e9a65a")
        + ridge(740, 46, 1.3, 2.6, "#f2bd6d")
        + cactus(210, 830, 110)
        + cactus(1330, 860, 150)
        + ridge(850, 30, 0.8, 4.3, "url(#sand)")
    )


BACKDROPS = (
    Backdrop("PAPER-STUDIO", "Paper studio backdrop", "米色纸质影棚背景", ("studio",), paper_studio),
    Backdrop("GREY-STUDIO", "Grey photo studio backdrop", "灰色摄影棚背景", ("studio",), grey_studio),
    Backdrop("PODIUM", "Pink product podium with arches", "粉色拱门产品展台", ("studio",), podium),
    Backdrop("OFFICE", "Modern office with city view", "城市景观现代办公室", ("indoor",), office),
    Backdrop("LIVING-ROOM", "Living room with sofa and lamp", "沙发落地灯客厅", ("indoor",), living_room),
    Backdrop("MOUNTAINS", "Outdoor mountain meadow", "户外高山草地", ("outdoor",), mountains),
    Backdrop("BEACH", "Beach at sunset", "日落海滩", ("outdoor",), beach),
    Backdrop("NIGHT-CITY", "City street at night", "夜晚的城市街道", ("outdoor",), night_city),
    Backdrop("FOREST", "Sunlit forest clearing", "阳光下的森林空地", ("outdoor",), forest),
    Backdrop("WINTER", "Outdoor winter village in the snow", "户外雪中冬日村庄", ("outdoor",), winter),
    Backdrop("DESERT", "Desert with cactus and mesa", "仙人掌与台地沙漠", ("outdoor",), desert),
)
