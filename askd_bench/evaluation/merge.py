"""`merge`: the shards of runs into the result directories that whole runs would have left."""

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from askd_bench.arguments import Several, StrPath, path_of, paths_of
from askd_bench.compression import DamagedFile
from askd_bench.errors import UserError
from askd_bench.evaluation.shards import Done
from askd_bench.files import cannot_be
from askd_bench.results import Result
from askd_bench.row_store import discard, locked
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE, ShardId, Signature
from askd_bench.text import DEFAULT_NORMALISER, normaliser

_MOST_NAMES = 12


@dataclass(frozen=True, slots=True)
class _Found:
    """A shard's directory with its signature, which part of a run it is, and what `shard.json` says, if it is there."""

    path: Path
    signature: Signature
    shard: ShardId
    done: Done | None

    def __str__(self) -> str:
        return f"shard {self.shard.index}/{self.shard.count} in {str(self.path)!r}"


def merge(shards: Several, *, output: StrPath = "results", normalizer: str = DEFAULT_NORMALISER, overwrite: bool = False) -> list[Result]:
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
        UserError: a shard is missing, unfinished, damaged, there twice or of another run, or results are in the way, or a run writes there;
            nothing is written.
    """
    normaliser(normalizer)
    output = path_of("output", output)
    runs: defaultdict[Path, list[_Found]] = defaultdict(list)
    for found in _find(paths_of("shards", shards)):
        runs[output / found.signature.place].append(found)
    complete = {path: _complete(found) for path, found in sorted(runs.items())}
    with ExitStack() as stack, cannot_be("written", output, argument="output"):
        for path in complete:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path))
            if not overwrite and any((path / name).exists() for name in (SIGNATURE_FILE, ROWS_FILE)):
                raise UserError(f"output: {str(path)!r} holds results already (allowed: --overwrite, or another --output)")
        merging = {path: path.with_name(f".{path.name}.merging") for path in complete}
        for folder in merging.values():  # the lock is ours: what is there is left from a merge that was killed
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)
        for path, parts in complete.items():  # one level deeper than results are looked for
            _join(parts, merging[path] / path.name, normalizer)
        for path in complete:
            discard(path)
            (merging[path] / path.name).rename(path)
    return [Result.open(path) for path in complete]


def _find(folders: Iterable[Path]) -> Iterator[_Found]:
    """Yield each shard in or below the folders, once."""
    seen: set[Path] = set()
    for folder in folders:
        paths = [file.parent.resolve() for file in sorted(Path(folder).glob(f"**/{SIGNATURE_FILE}"))]
        signatures = {path: Signature.read(path, argument="shards") for path in paths}
        shards = {path: (signature, signature.shard) for path, signature in signatures.items() if signature.shard}
        if not shards:
            raise UserError(f"shards: none is in {str(folder)!r} (allowed: folders with directories that `run --shard` left)")
        yield from (_Found(path, *about, Done.read(path)) for path, about in shards.items() if path not in seen)
        seen |= set(shards)


def _complete(found: Sequence[_Found]) -> list[_Found]:
    """Return all the shards of one run in order, or refuse."""
    first, by_index = found[0], dict[int, _Found]()
    for one in found:
        if one.shard.count != first.shard.count:
            raise UserError(f"shards: {first} and {one} do not belong together (allowed: shards of one number)")
        if different := first.signature.of_another_shard(one.signature):
            raise UserError(f"shards: {first} and {one} are of different runs ({'; '.join(different[:3])}); allowed: shards of one run")
        if by_index.setdefault(one.shard.index, one) is not one:
            raise UserError(f"shards: {by_index[one.shard.index]} is there again in {str(one.path)!r} (allowed: each shard once)")
    count = first.shard.count
    lacking = {
        "not there": [i for i in range(1, count + 1) if i not in by_index],
        "unfinished": [i for i, one in sorted(by_index.items()) if one.done is None],
    }
    if said := [f"{what}: {_names(indices, count)}" for what, indices in lacking.items() if indices]:
        raise UserError(f"shards: of {first.signature.place}, {'; '.join(said)} (allowed: all {count}, each run to its end)")
    return [one for _, one in sorted(by_index.items())]


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
    parts[0].signature.model_copy(update={"shard": None}).write(path)
    peaks = [part.done.peak_memory_bytes or 0 for part in parts if part.done]
    Result(path).write_summary(normalizer, peak_memory_bytes=max(peaks) if all(peaks) else None)
