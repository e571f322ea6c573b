"""`render`: writes the exact audio a model would hear, so that systems elsewhere can be scored on it, and checks such audio."""

import hashlib
import io
import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any

import soundfile
from pydantic import BaseModel, ConfigDict, Field

from askd_bench.arguments import StrPath, path_of
from askd_bench.audio import to_int16
from askd_bench.compression import stored_lines
from askd_bench.corpora import Corpus, open_stored
from askd_bench.errors import UserError
from askd_bench.evaluation.inputs import Inputs, count, resolve_inputs
from askd_bench.evaluation.plan import Batch, Plan
from askd_bench.evaluation.progress import Progress, Silent
from askd_bench.evaluation.unfinished_manifest import UnfinishedManifest
from askd_bench.evaluation.workers import Prepared, Preparer, Workers, default_workers
from askd_bench.files import Text, Whole, cannot_be, parse_json, write_whole
from askd_bench.models.protocol import RawAudio
from askd_bench.options import SpeechOptions
from askd_bench.suites import load_suite
from askd_bench.types import SAMPLING_RATE, Samples

MANIFEST_FILE = "manifest.jsonl"
_CHUNK = 16
_LONGEST_NAME = 200
"""Bytes of a file's name, beside which most file systems leave room for an ending."""


def render(
    suite: StrPath = "noisy",
    out: StrPath | None = None,
    options: SpeechOptions | None = None,
    *,
    progress: Progress | None = None,
    **changes: Any,
) -> Path:
    """Write every chosen utterance under every chosen condition as FLAC (16 kHz, int16), with a manifest, and return the manifest's path.

    A rendering that was interrupted goes on where it stopped when called again with the same arguments.

    The files are `<out>/<corpus>/<condition>/<utterance>.flac`, with the start of the id's hash behind it where two ids come to one name. A
    manifest row holds NeMo's keys (`audio_filepath, text, duration`) and
    `suite, version, corpus, source, condition, utterance, speaker, group, audio_sha256, realised, error`; its hash is what `run` records.

    Args:
        suite, progress: as for `run`.
        out: a folder that is new or empty, or holds the beginning of this very rendering.
        options: which speech, under which conditions.
        changes: of single options.

    Raises:
        UserError: bad input, or `out` is missing, holds something else, or cannot be written; what is rendered stays.
    """
    options = SpeechOptions.of(options, changes)
    if out is None:
        raise UserError("out: is missing (allowed: a new or empty folder)")
    out = path_of("out", out)
    inputs = resolve_inputs(suite, options)
    with cannot_be("written", out, argument="out"):
        unfinished = UnfinishedManifest(out, inputs)
    with unfinished:
        for row, samples in rendered_rows(inputs, skip=unfinished.done, workers=options.workers, progress=progress):
            if samples is not None:
                _write(out / row["audio_filepath"], samples)
            unfinished.append(row)
        return unfinished.finish(out / MANIFEST_FILE)


def rendered_rows(
    inputs: Inputs, *, skip: int = 0, workers: int | None = None, progress: Progress | None = None
) -> Iterator[tuple[dict[str, Any], Samples | None]]:
    """Yield the manifest row of every rendering and its audio (None where `error` says why there is none), condition by condition.

    The first `skip` are passed over, those in whole batches without being rendered.
    """
    progress = progress or Silent()
    with Workers(default_workers() if workers is None else workers) as pool:
        for selected in inputs.corpora:
            names = _FileNames()
            plan = Plan(
                conditions=inputs.conditions,
                reported=selected.reported,
                fitting=None,
                baseline=inputs.suite.baseline,
                batch_size=_CHUNK,
                window_s=None,
            )
            progress.start(selected.reported.name, [c.id for c in inputs.conditions], count(selected.reported), 0)
            batches = iter(plan)
            for batch in batches:
                if len(batch.utterances) > skip:
                    batches = itertools.chain([batch], batches)
                    break
                skip -= len(batch.utterances)
                for utterance in batch.utterances:
                    names(utterance.id)
                progress.advance(batch.condition.id, len(batch.utterances), kept=True)
            for batch, prepared in pool.prepare(_preparer(inputs), batches):
                for item in prepared:
                    row = _row(inputs, selected.reported, batch.condition.id, item, names)
                    if skip:
                        skip -= 1
                        continue
                    yield row, item.features[0] if item.features else None
                progress.advance(batch.condition.id, len(prepared), kept=False)


def check(manifest: StrPath, *, noise_dir: StrPath | None = None, workers: int | None = None) -> list[str]:
    """Render what a manifest lists again and return every difference as `suite source condition utterance: listed hash -> hash now`.

    Raises:
        UserError: the manifest is missing or is none of `render`'s.
    """
    manifest = path_of("check", manifest)
    wanted: defaultdict[tuple[str, int, str], dict[tuple[str, str], str | None]] = defaultdict(dict)
    for row in _read(manifest):
        wanted[row.suite, row.version, row.source][row.condition, row.utterance] = row.audio_sha256
    found = []
    for (suite, version, corpus), hashes in wanted.items():
        now = load_suite(suite)
        if now.version != version:
            found.append(f"{suite}: version {version} -> {now.version}")
            continue
        found += [
            f"{suite} {corpus} {condition} {utterance}: {hashes[condition, utterance]} -> {sha256}"
            for condition, utterance, sha256 in hashes_now(suite, corpus, hashes, noise_dir, workers)
            if hashes[condition, utterance] != sha256
        ]
    return found


def hashes_now(
    suite: str, corpus: str, keys: Collection[tuple[str, str]], noise_dir: StrPath | None, workers: int | None
) -> Iterator[tuple[str, str, str | None]]:
    """Render again and yield (condition, utterance, hash now) of every key; None where it cannot be rendered or is no more.

    Args:
        suite, corpus: as for `render`.
        keys: (condition, utterance) pairs.
        noise_dir, workers: as for `render`.

    Raises:
        UserError: unknown suite or corpus.
    """
    conditions = sorted({condition for condition, _ in keys})
    inputs = resolve_inputs(suite, SpeechOptions(corpus=corpus, full=True, limit=0, noise_dir=noise_dir), stored=True)
    left = set(keys)
    batches = [
        Batch(inputs.suite.conditions[condition], chunk[start : start + _CHUNK])
        for condition in conditions
        if condition in inputs.suite.conditions
        for chunk in [[u for u in open_stored(corpus) if (condition, u.id) in keys]]
        for start in range(0, len(chunk), _CHUNK)
    ]
    with Workers(default_workers() if workers is None else workers) as pool:
        for batch, prepared in pool.prepare(_preparer(inputs), batches):
            for item in prepared:
                left.discard((batch.condition.id, item.utterance.id))
                yield batch.condition.id, item.utterance.id, item.audio_sha256
    for condition, utterance in sorted(left):
        yield condition, utterance, None


def _preparer(inputs: Inputs) -> Preparer:
    return Preparer(
        suite=inputs.suite.name,
        version=inputs.suite.version,
        talkers=tuple(inputs.talkers),
        noise_dir=inputs.noise_dir,
        frontends=(RawAudio(),),
    )


def _row(inputs: Inputs, corpus: Corpus, condition: str, item: Prepared, names: "_FileNames") -> dict[str, Any]:
    utterance = item.utterance
    return {
        "suite": inputs.suite.name,
        "version": inputs.suite.version,
        "corpus": corpus.name,
        "source": corpus.source,
        "condition": condition,
        "utterance": utterance.id,
        "audio_filepath": f"{corpus.name}/{condition}/{names(utterance.id)}.flac" if item.features is not None else None,
        "text": utterance.reference,
        "duration": round(item.duration_s, 5),
        "speaker": utterance.speaker,
        "group": utterance.group,
        "audio_sha256": item.audio_sha256,
        "realised": dict(item.realised),
        "error": item.error,
    }


class _FileNames:
    """Names of files after ids, a different one for each id, also where a file system knows no case or composes accents."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def __call__(self, utterance: str) -> str:
        plain = "".join(character if character.isalnum() or character in "._-~" else "_" for character in utterance)
        digest = hashlib.sha256(utterance.encode(errors="backslashreplace")).hexdigest()
        if len(plain.encode()) > _LONGEST_NAME:
            plain = f"{plain[: _LONGEST_NAME // 4]}~{digest[:8]}"
        candidates = [plain, f"{plain}~{digest[:8]}", f"{plain}~{digest}"]
        return next(
            name for name in candidates if self._owners.setdefault(unicodedata.normalize("NFC", name).casefold(), utterance) == utterance
        )


def _write(path: Path, samples: Samples) -> None:
    content = io.BytesIO()
    soundfile.write(content, to_int16(samples), SAMPLING_RATE, format="FLAC", subtype="PCM_16")
    with cannot_be("written", path.parent, argument="out"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue(), argument="out")


class _Listed(BaseModel):
    """What a check needs of a manifest row."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    suite: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    version: Whole
    source: Text
    condition: Text
    utterance: Text
    audio_sha256: Text | None


def _read(manifest: Path) -> Iterator[_Listed]:
    if not manifest.is_file():
        raise UserError(f"check: {str(manifest)!r} does not exist (allowed: a manifest that render wrote)")
    with cannot_be("read", manifest, argument="check"):
        for number, line in enumerate(stored_lines(manifest), start=1):
            try:
                yield parse_json(line, _Listed, where=f"check: {manifest}, line {number}")
            except UserError as error:
                raise UserError(f"{error} (allowed: a manifest that render wrote)") from None
