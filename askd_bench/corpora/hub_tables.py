"""CSV files of Hub datasets, read as they are written: pandas, inside `datasets`, takes "None" or "NA" for nothing and 007 for 7."""

import csv
from collections.abc import Iterator
from types import MethodType
from typing import Any

_ROWS = 10_000
_MISSING = ["", "None", "null", "nan", "NaN", "NA", "N/A"]
"""What may stand for an absent number. A text has no such words: whatever stands there was said."""


def read_verbatim(builder: Any) -> Any:
    """Let a builder of `datasets` read the texts of CSV files as they are, in place, and return it; other formats have types."""
    from datasets.packaged_modules.csv.csv import Csv
    from datasets.packaged_modules.folder_based_builder.folder_based_builder import FolderBasedBuilder

    if isinstance(builder, FolderBasedBuilder):
        builder._read_metadata = MethodType(_metadata, builder)
    elif isinstance(builder, Csv):
        features = builder.config.features or builder.info.features or {}
        numbers = [name for name, feature in features.items() if getattr(feature, "dtype", "string") not in ("string", "dict")]
        builder.config.keep_default_na, builder.config.na_values = False, dict.fromkeys(numbers, _MISSING)
    return builder


def _metadata(builder: Any, file: str, metadata_ext: str = "") -> Iterator[Any]:
    """Yield the tables of an audio folder's metadata, cells of CSV as texts unless the dataset declares what they are."""
    if metadata_ext != ".csv":
        yield from type(builder)._read_metadata(builder, file, metadata_ext)
        return
    import fsspec  # type: ignore[import-untyped]
    import pyarrow as pa  # type: ignore[import-untyped]

    features = builder.config.features
    with fsspec.open(file, "r", encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines)
        names = next(rows, [])
        chunk: list[list[str]] = []
        for row in rows:
            chunk += [row] if row else []
            if len(chunk) == _ROWS:
                yield _table(names, chunk, features, pa)
                chunk = []
        if chunk:
            yield _table(names, chunk, features, pa)


def _table(names: list[str], rows: list[list[str]], features: Any, pa: Any) -> Any:
    short = next((row for row in rows if len(row) != len(names)), None)
    if short is not None:
        raise ValueError(f"a row of {len(short)} cells under {len(names)} headings: {short}")
    columns: dict[str, Any] = {}
    for name, cells in zip(names, zip(*rows, strict=True), strict=True):
        feature = (features or {}).get(name)
        column = pa.array(list(cells), pa.string())
        if feature is not None and getattr(feature, "dtype", "string") != "string" and isinstance(feature.pa_type, pa.DataType):
            column = pa.array([None if cell in _MISSING else cell for cell in cells], pa.string()).cast(feature.pa_type)
        columns[name] = column
    return pa.table(columns)
