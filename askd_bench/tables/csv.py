"""Tables of records as CSV."""

import pandas as pd

from askd_bench.tables.printable import printable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(text: str) -> str:
    """Return a text that a spreadsheet shows and does not compute (a quotation mark before what would be a formula).

    >>> csv_text("=HYPERLINK(1)"), csv_text("whisper")
    ("'=HYPERLINK(1)", 'whisper')
    """
    return printable(f"'{text}" if text.startswith(_FORMULA) else text)


def csv_table(frame: pd.DataFrame) -> str:
    """Return a frame as CSV, without its index; numbers as they are, the empty string for what is missing."""
    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    safe = {name: [csv_text(value) if isinstance(value, str) else value for value in frame[name]] for name in texts}
    return frame.assign(**safe).to_csv(index=False, lineterminator="\n")
