"""`merge`: the shards of runs into the result directories that whole runs would have left."""

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askd_bench.compression import DamagedFile
from askd_bench.errors import UserError
from askd_bench.evaluation.shards import Done
from askd_bench.files import cannot_be, read_json, write_json
from askd_bench.results import ROWS_FILE, SIGNATURE_FILE, Result, differences, discard
from askd_bench.text import DEFAULT_NORMALISER, normaliser

_MOST_NAMES = 12


@dataclass(frozen=True, slots=True)
class _Found:
    """A shard's directory with its signature, without what tells shards of one run apart, and what `shard.json` says, if it is there."""

    path: Path
    index: int
    count: int
    signature: dict[str, Any]
    done: Done | None

    @classmethod
    def read(cls, path: Path, signature: dict[str, Any]) -> "_Found":
        shard = signature["shard"]
        common = signature | {"shard": {"batches": shard["batches"], "plan": shard["plan"]}}
        return cls(path, shard["index"], shard["count"], common, Done.read(path))

    @property
    def place(self) -> Path:
        """Where a whole run goes, below its output."""
        about = self.signature
        return Path(about["model"]["id"], f"{about['suite']['name']}-v{about['suite']['version']}", about["corpus"]["name"])

    def __str__(self) -> str:
        return f"shard {self.index}/{self.count} in {str(self.path)!r}"


def merge(
    shards: Sequence[Path], *, output: Path = Path("results"), normalizer: str = DEFAULT_NORMALISER, overwrite: bool = False
) -> list[Result]:
    """Join the shards of `run --shard`; the command `askd-bench merge` with the same names and defaults.

    The rows are those of a whole run, byte for byte but for the timings, which are each shard's own. No model is needed.

    Args:
        shards: folders; every shard in them or below is taken, of as many models and corpora as there are.
        output: results go to `<output>/<model>/<suite>-v<version>/<corpus>/`; it may be the folder that holds the shards.
        normalizer: of the summary.
        overwrite: discard results that are in the way.

    Returns:
        one result for each model, suite and corpus.

    Raises:
        UserError: a shard is missing, unfinished, damaged, there twice or of another run, or results are in the way; nothing is written.
    """
    normaliser(normalizer)
    runs: defaultdict[Path, list[_Found]] = defaultdict(list)
    for found in _find(shards):
        runs[Path(output) / found.place].append(found)
    complete = {path: _complete(found) for path, found in sorted(runs.items())}
    for path in complete:
        if not overwrite and any((path / name).exists() for name in (SIGNATURE_FILE, ROWS_FILE)):
            raise UserError(f"output: {str(path)!r} holds results already (allowed: --overwrite, or another --output)")
    temporary = {path: path.with_name(f".{path.name}.merging-{os.getpid()}") for path in complete}
    try:
        with cannot_be("written", output, argument="output"):
            for path, parts in complete.items():
                _join(parts, temporary[path], normalizer)
            for path in complete:
                discard(path)
                temporary[path].rename(path)
    finally:
        for folder in temporary.values():
            shutil.rmtree(folder, ignore_errors=True)
    return [Result.open(path) for path in complete]


def _find(folders: Iterable[Path]) -> Iterator[_Found]:
    """Yield each shard in or below the folders, once."""
    seen: set[Path] = set()
    for folder in folders:
        signatures = {
            file.parent.resolve(): read_json(file, dict[str, Any], argument="shards")
            for file in sorted(Path(folder).glob(f"**/{SIGNATURE_FILE}"))
        }
        shards = {path: signature for path, signature in signatures.items() if "shard" in signature}
        if not shards:
            raise UserError(f"shards: none is in {str(folder)!r} (allowed: folders with directories that `run --shard` left)")
        yield from (_Found.read(path, signature) for path, signature in shards.items() if path not in seen)
        seen |= set(shards)


def _complete(found: Sequence[_Found]) -> list[_Found]:
    """Return all the shards of one run in order, or refuse."""
    first, by_index = found[0], dict[int, _Found]()
    for one in found:
        if one.count != first.count:
            raise UserError(f"shards: {first} and {one} do not belong together (allowed: shards of one number)")
        if different := differences(first.signature, one.signature):
            raise UserError(f"shards: {first} and {one} are of different runs ({'; '.join(different[:3])}); allowed: shards of one run")
        if by_index.setdefault(one.index, one) is not one:
            raise UserError(f"shards: {by_index[one.index]} is there again in {str(one.path)!r} (allowed: each shard once)")
    numbers = range(1, first.count + 1)
    lacking = {
        "not there": [i for i in numbers if i not in by_index],
        "unfinished": [i for i, one in sorted(by_index.items()) if one.done is None],
    }
    if said := [f"{what}: {_names(indices, first.count)}" for what, indices in lacking.items() if indices]:
        raise UserError(f"shards: of {first.place}, {'; '.join(said)} (allowed: all {first.count}, each run to its end)")
    return [by_index[i] for i in numbers]


def _names(indices: Sequence[int], count: int) -> str:
    return ", ".join(f"{i}/{count}" for i in indices[:_MOST_NAMES]) + (
        f" and {len(indices) - _MOST_NAMES} more" if indices[_MOST_NAMES:] else ""
    )


def _join(parts: Sequence[_Found], path: Path, normalizer: str) -> None:
    """Write the result directory of a whole run."""
    path.mkdir(parents=True)
    with (path / ROWS_FILE).open("wb") as rows:
        for part in parts:
            digest = hashlib.sha256()
            with suppress(DamagedFile):  # told below
                for line in Result(part.path).lines():
                    digest.update(line)
                    rows.write(line)
            if part.done is None or digest.hexdigest() != part.done.sha256:
                raise UserError(f"shards: {part} is damaged: its rows are not those it ended with (allowed: copy or run it again)")
    write_json(path / SIGNATURE_FILE, {key: value for key, value in parts[0].signature.items() if key != "shard"})
    peaks = [part.done.peak_memory_bytes or 0 for part in parts if part.done]
    Result(path).write_summary(normalizer, peak_memory_bytes=max(peaks) if all(peaks) else None)
