"""Colours, marks and dashes of figures and page, for light and dark: hues of Okabe & Ito, and shapes that tell series apart too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LIGHT: Mapping[str, str] = {
    "page": "#ffffff",
    "ink": "#1b1f24",
    "muted": "#57606a",
    "grid": "#d5dae0",
    "s0": "#0072b2",
    "s1": "#d55e00",
    "s2": "#00875f",
    "s3": "#b5558f",
    "s4": "#7a5d00",
    "s5": "#4f565e",
    "s6": "#0a9396",
    "s7": "#5a2ca0",
}
"""Name -> colour on a light page.

After Okabe & Ito (jfly.uni-koeln.de/color), darkened where they would not stand out 3 to 1 (WCAG 2.2, 1.4.11); the first six stay apart
for people with any kind of colour blindness, and two more serve where there are more series.
"""

DARK: Mapping[str, str] = {
    "page": "#14171b",
    "ink": "#e8ebee",
    "muted": "#a4adb7",
    "grid": "#3a424b",
    "s0": "#56b4e9",
    "s1": "#f0884a",
    "s2": "#35c59a",
    "s3": "#e08fbe",
    "s4": "#f0d860",
    "s5": "#c4cad1",
    "s6": "#4fd0d6",
    "s7": "#a98bff",
}
"""The same names on a dark page."""

MARKERS: Sequence[str] = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
DASHES: Sequence[str] = ("-", "--", "-.", ":")
HATCHES: Sequence[str] = ("", "////", "....", "xxx", "\\\\\\\\", "ooo", "++", "---", "**")
_COLOURS = 8


@dataclass(frozen=True, slots=True)
class Style:
    """How one series looks: colour (hex, light page), marker, dash and hatch of matplotlib."""

    colour: str
    marker: str
    dash: str
    hatch: str


def style(number: int) -> Style:
    """Return the style of a series; colours return after 8, markers after 9, so that 72 series differ."""
    return Style(
        LIGHT[f"s{number % _COLOURS}"],
        MARKERS[number % len(MARKERS)],
        DASHES[number % len(DASHES)],
        HATCHES[number % len(HATCHES)],
    )


def css_variables(colours: Mapping[str, str]) -> str:
    """Return the colours as CSS custom properties."""
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def contrast(a: str, b: str) -> float:
    """Return the WCAG 2 contrast ratio of two colours, in [1, 21].

    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """
    lighter, darker = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
