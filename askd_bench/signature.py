"""What a result is of: suite, corpus, model, and everything else that may change a row; `signature.json` of a result directory."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from askd_bench.files import Document, Number, Text, Whole, read_json, write_json
from askd_bench.types import Split

SCHEMA_VERSION: Literal[1] = 1
SIGNATURE_FILE = "signature.json"
_MOST_SHOWN = 40


def _folder_name(name: str) -> str:
    if name in {"", ".", ".."} or any(character in name for character in ("/", os.sep, "\0")):
        raise ValueError("must name one folder")
    return name


FolderName = Annotated[Text, AfterValidator(_folder_name)]
"""A name that a path is made of: signatures come from strangers, and nothing is written or looked for outside its folder."""


class SuiteId(Document):
    """Which suite, by the sha256 of everything that it does to audio."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    version: Whole
    fingerprint: Text
    baseline: Text

    @property
    def label(self) -> str:
        """Return e.g. `noisy-v1`, as result directories are named."""
        return f"{self.name}-v{self.version}"


class ConditionAxis(Document):
    """The family of a condition and where it stands on that family's axis; see `suites.Condition`."""

    family: Text | None
    severity: Number | None


class CorpusId(Document):
    """Which utterances: those to report, by the sha256 of their metadata, and the "dev" ones that a temperature is fitted on, if any."""

    name: FolderName
    source: Text
    fingerprint: Text
    fitting_fingerprint: Text | None
    split: Split
    licence: Text
    speaker_is: Text
    group_is: Text


class ModelCard(Document):
    """What identifies a model in a result directory.

    `parameters`, `weights_bytes` (as stored) and `macs_per_second` (multiply-accumulates for a second of audio, see `size`) are None where
    they cannot be counted. `weights_sha256` covers names and values of all tensors as stored, so that it does not depend on how a
    checkpoint is cut into files; where there are no weights to be had, the adapter says in `decoding` what it covers instead. `decoding`
    holds every setting that may change the text.
    """

    id: FolderName
    source: Text
    architecture: Text
    parameters: Whole | None
    weights_bytes: Whole | None
    macs_per_second: Whole | None
    weights_sha256: Text
    decoding: dict[Text, Text | Whole | Number | bool | None]
    dtype: Text
    device: Text
    threads: Whole


class Rules(Document):
    """Names of the rules by which perturbations are seeded and utterances are sampled."""

    seed: Text
    select: Text


class RecordingsId(Document):
    """Which recordings babble or noise was made of."""

    name: Text
    fingerprint: Text


class ShardId(Document):
    """Which part of a run a directory holds; `plan`, the sha256 of all batches, is equal for shards of one run alone."""

    index: Annotated[Whole, Field(ge=1)]
    count: Annotated[Whole, Field(ge=1, le=100_000)]
    first_batch: Whole
    batches: Whole
    plan: Text


class Signature(Document):
    """The signature of a run.

    Attributes:
        conditions: id -> its axis, in the suite's order.
        limit: utterances per corpus that were asked for, 0 for all; None in signatures of before it was recorded.
        planned_rows: of the whole run; likewise.
        talkers: what babble is made of.
        noise_dir: the user's noise recordings, if any.
        versions: package -> version.
        shard: which part of the run it is, None for all of it.
    """

    schema_version: Literal[1]
    suite: SuiteId
    conditions: dict[Text, ConditionAxis]
    corpus: CorpusId
    model: ModelCard
    batch_size: Whole
    limit: Whole | None = None
    planned_rows: Whole | None = None
    rules: Rules
    talkers: RecordingsId
    noise_dir: RecordingsId | None
    versions: dict[Text, Text]
    shard: ShardId | None = None

    @classmethod
    def read(cls, folder: Path, *, argument: str = "result_dir") -> "Signature":
        """Read the signature of a result directory.

        Raises:
            UserError: the file cannot be read, is damaged, or is of another schema.
        """
        return read_json(folder / SIGNATURE_FILE, cls, argument=argument)

    def write(self, folder: Path, *, argument: str = "output") -> None:
        """Write the signature of a result directory.

        Raises:
            UserError: it cannot be written.
        """
        write_json(folder / SIGNATURE_FILE, self.as_dict(), argument=argument)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as they are stored: what is not recorded is left out."""
        return {key: value for key, value in self.model_dump().items() if value is not None or key not in _OPTIONAL}

    @property
    def place(self) -> PurePath:
        """Where the result goes below its output: `<model>/<suite>-v<version>/<corpus>`."""
        return PurePath(self.model.id, self.suite.label, self.corpus.name)

    @property
    def severities(self) -> dict[str, dict[str, float]]:
        """Family -> condition -> severity, of the conditions that have both."""
        families: dict[str, dict[str, float]] = {}
        for condition, about in self.conditions.items():
            if about.family is not None and about.severity is not None:
                families.setdefault(about.family, {})[condition] = about.severity
        return families

    def of_another_run(self, other: "Signature") -> list[str]:
        """Return in what `other` differs so that its run is not this one and must not be continued as it.

        What follows from the rest is passed over: signatures of before lack it.
        """
        return differences(self.model_dump(exclude=_FOLLOWING), other.model_dump(exclude=_FOLLOWING))

    def of_another_shard(self, other: "Signature") -> list[str]:
        """Return in what `other` differs so that both are no shards of one run."""
        own: dict[str, bool | set[str]] = {"shard": {"index", "first_batch"}, **dict.fromkeys(_FOLLOWING, True)}
        return differences(self.model_dump(exclude=own), other.model_dump(exclude=own))

    def of_other_speech(self, other: "Signature") -> list[str]:
        """Return in what `other` differs so that not even clips of the same name are comparable; either may have clips the other lacks."""
        return differences(self.model_dump(include=_COMPARED), other.model_dump(include=_COMPARED))

    @property
    def speech(self) -> str:
        """What results must have in common so that their figures may stand side by side, condition by condition, as one text."""
        return json.dumps(self.model_dump(include=_SPEECH), sort_keys=True)


_FOLLOWING = {"limit", "planned_rows"}
_OPTIONAL = {*_FOLLOWING, "shard"}
_SPEECH = {"suite", "corpus", "rules", "talkers", "noise_dir"}
_COMPARED: dict[str, bool | set[str]] = {**dict.fromkeys(_SPEECH, True), "corpus": {"name", "split"}}


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return `key: old -> new` for every entry in which two nested mappings differ."""
    return list(_differences(old, new, prefix))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _differences(before, after, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}: {_short(before)} -> {_short(after)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."
