"""What packaged results say of the same speech: the audio of every clip, and which rows are theirs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from askd_bench.errors import UserError
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.results import Result
from askd_bench.rows import Key
from askd_bench.signature import SIGNATURE_FILE, Signature
from askd_bench.types import Row

_LEAST_TOKENS = 3
_COPIED = 0.5
_TOLERANCE = 2e-5

_OTHER_BITS = 0.01
"""The share of clips that a processor with other vector instructions may round otherwise."""


@dataclass(frozen=True, slots=True)
class Known:
    """Results of a folder; each is read once, when it is asked for."""

    folder: Path
    _rows: dict[Path, Mapping[Key, Row]] = field(default_factory=dict)
    _prints: dict[Path, frozenset[int]] = field(default_factory=dict)
    _signatures: dict[Path, Signature] = field(default_factory=dict)

    def audio_problems(self, signature: Signature, rows: Sequence[Row]) -> tuple[list[str], list[Key]]:
        """Say which rows heard other audio than the default model under the same condition: hash, length, realised parameters.

        Returns:
            What is wrong, and the few clips whose bits alone are others, as another kind of processor may render them.
        """
        heard = self._anchor(signature)
        pairs = [(row, heard.get((row.condition, row.utterance))) for row in rows]
        known = [(row, other) for row, other in pairs if other is not None and other.audio_sha256 is not None]
        bits = [row for row, other in known if row.audio_sha256 not in (None, other.audio_sha256)]
        few = len(bits) <= max(1, _OTHER_BITS * len(known))
        wrong = [(row, "duration_s") for row, other in known if not _same(row.duration_s, other.duration_s)]
        wrong += [(row, "realised") for row, other in known if not _same(row.realised, other.realised)]
        wrong += [(row, "audio_sha256") for row, _ in known if row.audio_sha256 is None]
        wrong += [(row, "audio_sha256") for row in bits if not few]
        said = [f"{row.condition}, {row.utterance}: {name} is not that of {DEFAULT_MODEL}'s packaged row" for row, name in wrong]
        return said, [(row.condition, row.utterance) for row in bits if few]

    def copy_problems(self, result: Result, signature: Signature, rows: Sequence[Row]) -> Iterator[str]:
        """Yield of which packaged models, of other weights, most of the rows are, log-probabilities included."""
        own = frozenset(_prints(rows))
        self._prints.setdefault(result.path.resolve(), own)
        for path in sorted(self.folder.glob(f"*/{signature.suite.label}/{signature.corpus.name}")):
            other = self.signature(path)
            if path.resolve() == result.path.resolve() or other.model.weights_sha256 == signature.model.weights_sha256:
                continue
            if path.resolve() not in self._prints:
                self._prints[path.resolve()] = frozenset(_prints(Result(path).rows()))
            common = len(own & self._prints[path.resolve()])
            if own and common > _COPIED * len(own):
                yield f"{common} of {len(own)} rows are {other.model.id}'s, to every digit of their log-probabilities"

    def of_model(self, folder: Path, signature: Signature) -> list[Signature]:
        """Return signatures to compare with: all of that model's name beside it and in the package, and one of every packaged model."""
        own = {*folder.resolve().parents[1].glob(f"*/*/{SIGNATURE_FILE}"), *self.folder.glob(f"{signature.model.id}/*/*/{SIGNATURE_FILE}")}
        first = [next(iter(sorted(model.glob(f"*/*/{SIGNATURE_FILE}"))), None) for model in sorted(self.folder.glob("*/"))]
        found = []
        for file in sorted({*own, *filter(None, first)}):
            with suppress(UserError):  # damage is told of the result that has it
                found.append(self.signature(file.parent))
        return found

    def signature(self, folder: Path) -> Signature:
        """Return the signature of a result."""
        if folder not in self._signatures:
            self._signatures[folder] = Signature.read(folder)
        return self._signatures[folder]

    def _anchor(self, signature: Signature) -> Mapping[Key, Row]:
        path = self.folder / DEFAULT_MODEL / signature.suite.label / signature.corpus.name
        if path not in self._rows:
            there = (path / SIGNATURE_FILE).is_file()
            self._rows[path] = {(row.condition, row.utterance): row for row in Result(path).rows()} if there else {}
        known = self._rows[path]
        return known if known and not self.signature(path).of_other_speech(signature) else {}


def _same(mine: object, theirs: object) -> bool:
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return mine.keys() == theirs.keys() and all(_same(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return abs(mine - theirs) <= _TOLERANCE * max(1.0, abs(theirs))
    return mine == theirs


def _prints(rows: Iterable[Row]) -> Iterator[int]:
    for row in rows:
        if len(row.token_logprobs) >= _LEAST_TOKENS:
            yield hash((row.condition, row.utterance, row.hypothesis, row.token_logprobs))
