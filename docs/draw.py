"""Draw the diagrams of the documentation as SVG files beside this script.

python docs/draw.py
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

DOCS = Path(__file__).resolve().parent

INK, GREY, PAPER = "#1f2933", "#5b6672", "#ffffff"
BLUE, GREEN, AMBER, RED = "#dbe9f9", "#dcf1e0", "#fdeccb", "#fbdcdc"
FONT_SIZE, LINE_HEIGHT = 14, 18


def main() -> None:
    for name, svg in drawings().items():
        (DOCS / name).write_text(svg, encoding="utf-8")


def drawings() -> dict[str, str]:
    """Return the text of each SVG file by its name."""
    return {
        "scene-window-halo.svg": draw_scene_window_halo(),
        "pairs.svg": draw_pairs(),
        "floors.svg": draw_floors(read_floors(DOCS.parent / "pyproject.toml")),
    }


def draw_scene_window_halo() -> str:
    """Draw how an image is described once and how one window of it is rendered."""
    return canvas(
        (1000, 430),
        text(500, 36, "Yₓ = f(Xₓ, Φ, Ωₓ)", size=22),
        text(500, 62, "describe the scene once, render any window of it", color=GREY),
        *photograph(30, 150, 250, 170),
        text(110, 176, "whole image"),
        text(110, 194, "(N, 3, H, W)"),
        square(180, 232, 40, dashed=True),
        square(190, 242, 20),
        arrow((155, 150), (155, 110), (320, 110)),
        box(320, 88, 210, 44, ["network.describe(image)"], BLUE),
        arrow((530, 110), (620, 110)),
        box(620, 88, 100, 44, ["scene Φ"], AMBER),
        arrow((670, 132), (670, 220)),
        line((220, 232), (350, 195)),
        line((220, 272), (350, 345)),
        square(350, 195, 150, fill="#eef4ee", dashed=True),
        square(385, 230, 80, fill="#cfe3d2"),
        text(425, 218, "halo (Ω)"),
        text(425, 266, "window"),
        text(425, 284, "(X)"),
        text(425, 366, "(h + 2·halo) × (w + 2·halo)"),
        arrow((500, 270), (560, 270)),
        box(560, 220, 220, 100, ["network.render(", "pixels, scene, window)"], BLUE),
        arrow((780, 270), (840, 270)),
        square(840, 230, 80, fill=GREEN),
        text(880, 266, "output"),
        text(880, 284, "(Y)"),
        text(880, 218, "window of the output"),
        text(880, 336, "h × w"),
        arrow((155, 320), (155, 404), (670, 404), (670, 320)),
        text(412, 397, "window: its place in the image, and the image's size", color=GREY),
    )


def draw_pairs() -> str:
    """Draw the way from a RAW file and a JPEG to a pair on one pixel grid."""
    return canvas(
        (1060, 270),
        box(20, 41, 90, 44, ["RAW file"], PAPER),
        box(20, 187, 90, 44, ["JPEG"], PAPER),
        arrow((110, 63), (140, 63)),
        arrow((110, 209), (140, 209)),
        box(140, 20, 210, 86, ["decode", "demosaic, white balance,", "orientation, crop box"], BLUE),
        box(140, 166, 210, 86, ["decode", "orientation,", "colour profile to sRGB"], BLUE),
        arrow((350, 63), (380, 63), (380, 122), (410, 122)),
        arrow((350, 209), (380, 209), (380, 150), (410, 150)),
        box(410, 93, 160, 86, ["register", "similarity and", "radial distortion"], BLUE),
        arrow((570, 136), (600, 136)),
        box(600, 93, 220, 86, ["bring onto one grid", "resample, crop to what", "both show, reduce to size"], BLUE),
        arrow((820, 136), (850, 136)),
        box(850, 93, 190, 86, ["pair", "raw and srgb", "on one pixel grid"], GREEN),
        arrow((490, 179), (490, 227), (600, 227)),
        box(600, 205, 220, 44, ["rejected, with a reason"], RED),
    )


def draw_floors(floors: list[list[str]]) -> str:
    """Draw the floors of ispfit as a house, the highest first, with the rooms on each."""
    top, left, width, step = 56, 90, 890, 44
    height = top + step * len(floors) + 12
    parts = [text(500, 34, "a room imports only from lower floors; rooms on one floor do not import each other")]
    for index, rooms in enumerate(floors):
        y = top + step * index
        parts.append(text(62, y + 25, str(len(floors) - 1 - index), color=GREY))
        for column, room in enumerate(rooms):
            x, end = (left + round(width * edge / len(rooms)) for edge in (column, column + 1))
            parts.append(box(x, y, end - x - 6, step - 6, [room], BLUE))
    parts.append(arrow((30, top), (30, height - 18)))
    return canvas((1000, height), *parts)


def read_floors(pyproject: Path) -> list[list[str]]:
    """Read the rooms of each floor, the highest first, from the import-linter contract on layers."""
    contracts = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [layer.split(" | ") for layer in layers]


def canvas(size: tuple[int, int], *parts: str) -> str:
    """Return an SVG document of `size` (width, height) in pixels: the parts on a white background."""
    width, height = size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    style = 'font-family="sans-serif" text-anchor="middle">'
    background = f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>'
    return "\n".join([f"{head} {style}", background, *parts, "</svg>", ""])


def box(x: int, y: int, width: int, height: int, lines: list[str], fill: str) -> str:
    """Return a box with centred lines of text; the first of several lines is bold."""
    frame = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{INK}"/>'
    first = y + height / 2 - LINE_HEIGHT * (len(lines) - 1) / 2 + FONT_SIZE / 3
    labels = [
        text(x + width // 2, round(first + LINE_HEIGHT * index), label, bold=index == 0 and len(lines) > 2)
        for index, label in enumerate(lines)
    ]
    return "\n".join([frame, *labels])


def square(x: int, y: int, side: int, fill: str = "none", dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="{fill}" stroke="{INK}"{dashes}/>'


def text(x: int, y: int, label: str, color: str = INK, size: int = FONT_SIZE, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{color}" font-size="{size}"{weight}>{escape(label)}</text>'


def line(start: tuple[int, int], end: tuple[int, int]) -> str:
    return f'<path d="M {start[0]} {start[1]} L {end[0]} {end[1]}" fill="none" stroke="{GREY}"/>'


def arrow(*points: tuple[int, int]) -> str:
    """Return a line through the points with an arrow head at its last point; segments are horizontal or vertical."""
    (before_x, before_y), (x, y) = points[-2:]
    along = ((x > before_x) - (x < before_x), (y > before_y) - (y < before_y))
    across = (along[1], along[0])
    base = (x - 9 * along[0], y - 9 * along[1])
    corners = [(x, y), *((base[0] + 4 * sign * across[0], base[1] + 4 * sign * across[1]) for sign in (1, -1))]
    path = " L ".join(f"{px} {py}" for px, py in [*points[:-1], base])
    tip = " ".join(f"{px},{py}" for px, py in corners)
    return f'<path d="M {path}" fill="none" stroke="{INK}"/>\n<polygon points="{tip}" fill="{INK}"/>'


def photograph(x: int, y: int, width: int, height: int) -> list[str]:
    """Return a stylised landscape: sky, sun and two hills in a frame."""
    right, bottom = x + width, y + height
    hills = [
        f"M {x} {y + 110} Q {x + 60} {y + 50} {x + 140} {y + 120} T {right} {y + 100} V {bottom} H {x} Z",
        f"M {x} {y + 140} Q {x + 120} {y + 90} {right} {y + 150} V {bottom} H {x} Z",
    ]
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="#d6e6f5"/>',
        f'<circle cx="{right - 50}" cy="{y + 36}" r="16" fill="#fbe3a2"/>',
        f'<path d="{hills[0]}" fill="#b9d3bd"/>',
        f'<path d="{hills[1]}" fill="#9dbfa3"/>',
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" stroke="{INK}"/>',
    ]


if __name__ == "__main__":
    main()
