"""An SVG file made part of a page: no second id of the same name, colours that follow the theme, a title and a description."""

import re
from xml.etree import ElementTree

from askd_bench.report.page.palette import LIGHT

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_THEMED = {colour: f"var(--{name}, {colour})" for name, colour in LIGHT.items()}
_COLOUR = re.compile("|".join(map(re.escape, _THEMED)), re.IGNORECASE)
_REFERENCE = re.compile(r"url\(#([^)]+)\)")

ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


def inline_svg(svg: bytes, *, name: str, title: str, description: str) -> str:
    """Return the SVG as an element of an HTML page.

    Args:
        svg: as `drawing.svg` makes it.
        name: unique in the page; every id within begins with it.
        title, description: plain text, for those who do not see the figure.
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            element.set(key, _rewritten(key, value, name))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("class", "figure")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{'title' if tag == 'title' else 'description'}"})
        element.text = text
        root.insert(position, element)
    return ElementTree.tostring(root, encoding="unicode")


def _rewritten(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == _HREF and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    with_ids = _REFERENCE.sub(lambda match: f"url(#{name}-{match[1]})", value)
    return _COLOUR.sub(lambda match: _THEMED[match[0].lower()], with_ids) if key == "style" else with_ids
