"""A result directory: `signature.json`, `utterances.jsonl`, `summary.json`. Rows are the result; the summary is a function of them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askd_bench.compression import find_stored, is_compressed, stored_lines
from askd_bench.errors import UserError
from askd_bench.files import read_json, write_json
from askd_bench.metrics.summary import is_current, scales_alike, summarise, without_scaling
from askd_bench.rows import ROWS_FILE, row_from_json
from askd_bench.signature import SIGNATURE_FILE, Signature, differences
from askd_bench.text import DEFAULT_NORMALISER, NORMALISERS
from askd_bench.types import Row

SUMMARY_FILE = "summary.json"


@dataclass(frozen=True, slots=True)
class Result:
    """A result directory that has a signature and rows."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> "Result":
        """Open a result directory.

        Raises:
            UserError: it is none, its signature is damaged, or it is that of a shard, whose figures would not be those of a run.
        """
        result = cls.at(path)
        if shard := result.signature().shard:
            part = f"{shard.index}/{shard.count}"
            raise UserError(f"result_dir: {str(path)!r} is shard {part} of a run (allowed: what `askd-bench merge` makes of all shards)")
        return result

    @classmethod
    def at(cls, path: Path | str) -> "Result":
        """Take a directory that has a signature and rows, whatever these hold.

        Raises:
            UserError: it is none.
        """
        result = cls(Path(path))
        if not result.path.is_dir():
            raise UserError(f"result_dir: {str(path)!r} is not a folder (allowed: a folder with {SIGNATURE_FILE} and {ROWS_FILE})")
        for needed, there in ((SIGNATURE_FILE, (result.path / SIGNATURE_FILE).is_file()), (ROWS_FILE, result.rows_file() is not None)):
            if not there:
                nested = sorted(str(p.parent.relative_to(result.path)) for p in result.path.glob(f"**/{SIGNATURE_FILE}"))[:3]
                hint = f"; inside it are {', '.join(nested)}" if nested else ""
                raise UserError(f"result_dir: {str(path)!r} has no {needed} (allowed: one result directory{hint})")
        return result

    def rows_file(self) -> Path | None:
        """Return the file of rows, compressed or not; None where there is none."""
        return find_stored(self.path / ROWS_FILE)

    def summary_file(self) -> Path | None:
        """Return the file of the stored summary, compressed or not; None where the run has not ended.

        A compressed summary is that of rows compressed alike: beside others it is left from an earlier run.
        """
        rows, plain = self.rows_file(), self.path / SUMMARY_FILE
        alike = [plain.with_name(plain.name + rows.suffix)] if rows is not None and is_compressed(rows) else []
        return next((file for file in (plain, *alike) if file.is_file()), None)

    def signature(self) -> Signature:
        """Return the stored signature.

        Raises:
            UserError: it is damaged, or of another schema.
        """
        return Signature.read(self.path)

    def summary(self) -> dict[str, Any] | None:
        """Return the stored summary; None where the run has not ended."""
        file = self.summary_file()
        return None if file is None else read_json(file, dict[str, Any], argument="result_dir")

    def stored_summary(self) -> dict[str, Any]:
        """Return the stored summary.

        Raises:
            UserError: the run has not ended.
        """
        summary = self.summary()
        if summary is None:
            raise UserError(
                f"result_dir: {str(self.path)!r} has no {SUMMARY_FILE}: its run has not ended (allowed: run it again, or score it)"
            )
        return summary

    def current_summary(self) -> dict[str, Any]:
        """Return the stored summary, computed again from the rows where it lacks a figure of today; nothing is stored.

        Raises:
            UserError: the run has not ended.
        """
        stored = self.stored_summary()
        if is_current(stored):
            return stored
        return self.summarise(normalizer=stored["normalizer"]["name"]) | {"peak_memory_bytes": stored["peak_memory_bytes"]}

    def lines(self) -> Iterator[bytes]:
        """Yield the rows as they are stored, streaming."""
        file = self.rows_file()
        if file is not None:
            yield from stored_lines(file)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, streaming.

        Raises:
            UserError: on the way: a line is no row, or a second row of the same condition and utterance: which of them would count?
        """
        seen: set[int] = set()
        for number, line in enumerate(self.lines(), start=1):
            row = row_from_json(line)
            key = hash((row.condition, row.utterance))  # of 64 bits: a million keys as texts would take memory
            if key in seen:
                where = f"{str(self.path)!r}: row {number}"
                raise UserError(f"result_dir: {where} is a second one of {row.condition}, {row.utterance} (allowed: one row each)")
            seen.add(key)
            yield row

    def rows_left(self) -> tuple[int, int] | None:
        """Return how many rows an unfinished run has and how many it planned; None where all are there, or the signature does not say."""
        planned = self.signature().planned_rows
        there = 0 if planned is None else sum(1 for _ in self.lines())
        return None if planned is None or there >= planned else (there, planned)

    def summarise(self, rows: Iterable[Row] | None = None, *, normalizer: str = DEFAULT_NORMALISER) -> dict[str, Any]:
        """Return the summary of the rows, or of those given, which are a part of them; nothing is stored."""
        signature = self.signature()
        return summarise(
            self.rows() if rows is None else rows, normalizer=normalizer, baseline=signature.suite.baseline, severities=signature.severities
        )

    def differences_from_summary(self, rows: Iterable[Row] | None = None) -> list[str]:
        """Return every entry in which the stored summary is not what follows from the rows, as `entry: stored -> computed`.

        Why a figure is null is passed over: those are words, which a version may put otherwise than the one before. So are figures that
        one of the two lacks, and those at the fitted temperature where it was fitted by another rule: a summary is a cache, and the
        version that wrote it may know others than this one.

        Raises:
            UserError: there is no summary, or it is damaged.
        """
        stored = self.stored_summary()
        stored.pop("peak_memory_bytes", None)  # of the process, not of rows
        normalizer = stored.get("normalizer")
        name = normalizer.get("name") if isinstance(normalizer, dict) else None
        if name not in NORMALISERS:
            raise UserError(
                f"result_dir: {str(self.path)!r}: {SUMMARY_FILE}: normalizer {name!r} is unknown (allowed: {', '.join(NORMALISERS)})"
            )
        computed: dict[str, Any] = json.loads(json.dumps(self.summarise(rows, normalizer=name)))
        if not scales_alike(stored):
            stored, computed = without_scaling(stored), without_scaling(computed)
        old, new = _without_reasons(stored), _without_reasons(computed)
        return differences(_shared(old, new), _shared(new, old))

    def write_summary(self, normalizer: str = DEFAULT_NORMALISER, *, peak_memory_bytes: int | None = None) -> dict[str, Any]:
        """Compute the summary from the rows, store it, compressed where it was, and return it.

        `peak_memory_bytes`, of the process that decoded, is the one figure that rows do not hold: without one, what is stored stays.

        Raises:
            UserError: an unknown normaliser, no rows, or a directory that cannot be written.
        """
        earlier = None
        with suppress(UserError):  # a damaged summary is made anew from the rows
            earlier = (self.summary() or {}).get("peak_memory_bytes")
        summary = self.summarise(normalizer=normalizer) | {"peak_memory_bytes": peak_memory_bytes or earlier}
        write_json(self.summary_file() or self.path / SUMMARY_FILE, summary, argument="result_dir")
        return summary


def result_folders(folder: Path) -> list[Path]:
    """Return the folders `<model>/<suite>-v<version>/<corpus>/` that have a signature, sorted by these three."""
    return [file.parent for file in sorted(folder.glob(f"*/*-v*/*/{SIGNATURE_FILE}"))]


def find_results(folder: Path) -> list[Result]:
    """Open all results of a folder, see `result_folders`.

    Raises:
        UserError: one of them is no whole result.
    """
    return [Result.open(path) for path in result_folders(folder)]


def _without_reasons(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_reasons(value) if isinstance(value, Mapping) else value
        for key, value in summary.items()
        if key != "reason" or isinstance(value, Mapping)
    }


def _shared(summary: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out figures that the other lacks."""
    return {
        key: _shared(value, other[key]) if isinstance(value, Mapping) and isinstance(other.get(key), Mapping) else value
        for key, value in summary.items()
        if key in other or not _is_figure(value)
    }


def _is_figure(value: object) -> bool:
    return isinstance(value, Mapping) and {"value", "low", "high", "n"} <= value.keys()
