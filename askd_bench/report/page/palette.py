"""Colours, marks and dashes of figures and page, for light and dark: hues of Okabe & Ito, told apart by shape too."""

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
    "s4": "#9a6a00",
    "s5": "#4f565e",
    "s6": "#3489c0",
    "s7": "#7a4fbf",
}
"""Name -> colour on a light page. Okabe & Ito's orange, sky blue and purple are darkened until they stand out 3 to 1 (WCAG 1.4.11)."""

DARK: Mapping[str, str] = {
    "page": "#14171b",
    "ink": "#e8ebee",
    "muted": "#a4adb7",
    "grid": "#3a424b",
    "s0": "#56b4e9",
    "s1": "#f0884a",
    "s2": "#35c59a",
    "s3": "#e08fbe",
    "s4": "#e6b23c",
    "s5": "#c4cad1",
    "s6": "#8db9f5",
    "s7": "#b79cf0",
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
