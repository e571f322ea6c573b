"""Bounds of a stranger's checkpoint: what would fill memory or never end is told before transformers sees it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from askd_bench.errors import UserError
from askd_bench.files import read_json

MOST_LAYERS = 1_000
_MOST = {"config.json": 10**8, "preprocessor_config.json": 10**7}
"""The largest whole number of a document: a configuration holds sizes, and lengths in samples."""

_MOST_OF_A_FRAME = 2**16
_FRAME = ("n_fft", "win_length", "hop_length", "feature_size", "num_mel_bins")


def check_documents(folder: Path, *, argument: str) -> None:
    """Check the JSON files of a checkpoint's folder: size, nesting, and numbers that would be allocated or counted through.

    Raises:
        UserError: one of them is out of bounds, or not JSON.
    """
    for file in sorted(folder.glob("*config.json")):
        wrong = f"{argument} {'has no readable configuration' if file.name == 'config.json' else 'cannot be loaded'}"
        content = read_json(file, dict[str, Any], argument=wrong)
        for name, value in _numbers(content):
            most = MOST_LAYERS if "layers" in name else _MOST_OF_A_FRAME if name in _FRAME else _MOST.get(file.name)
            if most is not None and abs(value) > most:
                raise UserError(f"{wrong}: {file.name}: {name}: {value} is out of range (allowed: up to {most})")


def _numbers(content: object, name: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(value, str(key))
    elif isinstance(content, list):
        for value in content:
            yield from _numbers(value, name)
    elif isinstance(content, int):
        yield name, content
