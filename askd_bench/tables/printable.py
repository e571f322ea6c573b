"""Text that may be sent anywhere."""

import unicodedata

_UNPRINTABLE = {"Cc", "Cs", "Cn", "Zl", "Zp"}
"""Categories of Unicode: controls, surrogates, noncharacters, separators of lines and paragraphs."""


def printable(text: str) -> str:
    """Return a text without what no terminal or document may be sent: control characters, halves of surrogate pairs, noncharacters.

    >>> printable("a\\x1b[31mb")
    'a\N{REPLACEMENT CHARACTER}[31mb'
    """
    if text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNPRINTABLE and c not in "\n\t" else c for c in text)
