"""`run`: a suite over corpora into a model, one result directory for each corpus."""

import importlib.metadata
import itertools
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from askd_bench.corpora import SEED_RULE as SELECT_RULE
from askd_bench.errors import UserError
from askd_bench.evaluation.inputs import Inputs, count, folder_fingerprint, resolve_inputs
from askd_bench.evaluation.memory import peak_memory_bytes
from askd_bench.evaluation.plan import Batch, Plan
from askd_bench.evaluation.progress import Progress, Silent
from askd_bench.evaluation.render import SEED_RULE
from askd_bench.evaluation.workers import Prepared, Preparer, default_workers, prepare_all
from askd_bench.models.base import Transcriber
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.results import SCHEMA_VERSION, Result, RowStore, signature_of
from askd_bench.suites import Condition
from askd_bench.text import DEFAULT_NORMALISER, normaliser
from askd_bench.types import SAMPLING_RATE, Row, Split, Transcription

_RECORDED_PACKAGES = ("askd-bench", "av", "numpy", "scipy", "soundfile", "soxr", "tokenizers", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class CorpusResult:
    """What a run left for one corpus: the directory and its summary."""

    corpus: str
    path: Path
    summary: dict[str, Any]
    signature: dict[str, Any]


def run(
    suite: str = "noisy",
    model: str = DEFAULT_MODEL,
    *,
    corpus: Sequence[str] | None = None,
    output: Path = Path("results"),
    conditions: Sequence[str] | None = None,
    full: bool = False,
    limit: int | None = None,
    split: Split = "test",
    noise_dir: Path | None = None,
    dtype: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    language: str = "en",
    task: str = "transcribe",
    num_beams: int = 1,
    batch_size: int = 16,
    workers: int | None = None,
    normalizer: str = DEFAULT_NORMALISER,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[CorpusResult]:
    """Score a model under a suite's conditions; the command `askd-bench run` with the same names and defaults.

    Interrupted runs go on where they stopped when called again with the same arguments. Worker processes are spawned: in a script, call
    this under `if __name__ == "__main__":`, or with `workers=0`.

    Args:
        suite: a bundled suite's name, or a TOML file.
        model: a bundled checkpoint's name, a folder, or a Hub id (`owner/name@revision`).
        corpus: specs for `open_corpus`; None for the suite's own.
        output: results go to `<output>/<model>/<suite>-v<version>/<corpus>/`.
        conditions: ids, globs or `@subgrid`; None for the suite's default grid. The baseline always comes along.
        full: every condition and, unless `limit` says otherwise, every utterance.
        limit: utterances per corpus (a seeded sample, stratified by speaker); 0 for all; None for what the suite says.
        split: "test" is what is reported; its run also decodes clean "dev" speech, for temperature scaling. "dev" is for choosing settings.
        noise_dir: the user's noise recordings, for conditions with noise = "folder".
        dtype, device, threads, language, task, num_beams: see `load_transcriber`.
        batch_size: clips decoded together.
        workers: processes that render; None for one per four cores, 0 for none.
        normalizer: of the summary; rows keep raw text.
        overwrite: discard results of another run that are in the way.
        progress: told of every step.

    Returns:
        one result for each corpus.

    Raises:
        UserError: bad input, told in one line, before anything is written.
    """
    progress = progress or Silent()
    _check(batch_size=batch_size, workers=workers)
    normaliser(normalizer)
    inputs = resolve_inputs(suite, corpus=corpus, conditions=conditions, full=full, limit=limit, split=split, noise_dir=noise_dir)
    transcriber = load_transcriber(model, dtype=dtype, device=device, threads=threads, language=language, task=task, num_beams=num_beams)
    plans = [
        Plan(
            conditions=inputs.conditions,
            reported=selected.reported,
            fitting=selected.fitting,
            baseline=inputs.suite.baseline,
            batch_size=batch_size,
            window_s=transcriber.window_s,
        )
        for selected in inputs.corpora
    ]
    preparer = Preparer(
        suite=inputs.suite.name,
        version=inputs.suite.version,
        talkers=tuple(inputs.talkers),
        noise_dir=noise_dir,
        frontend=transcriber.frontend,
    )
    stores = []
    for plan in plans:
        path = Path(output) / transcriber.card.id / inputs.suite.label / plan.reported.name
        stores.append(RowStore(path, _signature(inputs, plan, transcriber), overwrite=overwrite))
    for store in stores:  # all were found free before the first is touched
        store.prepare()
    results = []
    for plan, store in zip(plans, stores, strict=True):
        decoded = _evaluate(plan, store, preparer, transcriber, default_workers() if workers is None else workers, progress)
        result = Result.open(store.path)
        summary = result.write_summary(normalizer, peak_memory_bytes=peak_memory_bytes() if decoded else None)
        results.append(CorpusResult(plan.reported.name, store.path, summary, result.signature()))
    return results


def _evaluate(plan: Plan, store: RowStore, preparer: Preparer, transcriber: Transcriber, workers: int, progress: Progress) -> bool:
    """Do what is left of the plan; return whether anything was decoded."""
    fitting = count(plan.fitting) if plan.fitting else 0
    progress.start(plan.reported.name, [c.id for c in plan.conditions], count(plan.reported), fitting)
    with store:
        done = store.keep_whole_batches(batch.keys for batch in plan)
        batches = iter(plan)
        for batch in itertools.islice(batches, done):
            progress.advance(batch.condition.id, len(batch.utterances), kept=True)
        warm = False
        for batch, prepared in prepare_all(preparer, batches, workers=workers):
            if not warm:  # the first forward pass allocates and compiles; it is no measure of speed
                transcriber.transcribe([preparer.frontend(np.zeros(SAMPLING_RATE, np.float32))])
                warm = True
            store.append(_transcribe(batch, prepared, transcriber))
            progress.advance(batch.condition.id, len(batch.utterances), kept=False)
    return warm


def _transcribe(batch: Batch, prepared: Sequence[Prepared], transcriber: Transcriber) -> list[Row]:
    usable = [item.features for item in prepared if item.features is not None]
    start = time.perf_counter()
    transcriptions = iter(transcriber.transcribe(usable) if usable else ())
    decode_s = (time.perf_counter() - start) / max(1, len(usable))
    return [
        _row(batch.condition, item, next(transcriptions) if item.features is not None else None, len(usable), decode_s) for item in prepared
    ]


def _row(condition: Condition, item: Prepared, transcription: Transcription | None, batch: int, decode_s: float) -> Row:
    utterance = item.utterance
    common: dict[str, Any] = {
        "condition": condition.id,
        "utterance": utterance.id,
        "reference": utterance.reference,
        "duration_s": item.duration_s,
        "speaker": utterance.speaker,
        "group": utterance.group,
        "split": utterance.split,
        "realised": item.realised,
        "audio_sha256": item.audio_sha256,
        "error": item.error,
    }
    if transcription is None:
        return Row(hypothesis=None, batch=0, **common)
    return Row(
        hypothesis=transcription.text,
        words=transcription.words,
        word_tokens=transcription.word_tokens,
        token_logprobs=transcription.token_logprobs,
        token_entropies=transcription.token_entropies,
        tempered_logprobs=transcription.tempered_logprobs,
        long_form=transcription.long_form,
        batch=batch,
        decode_s=decode_s,
        **common,
    )


def _signature(inputs: Inputs, plan: Plan, transcriber: Transcriber) -> dict[str, Any]:
    suite, noise_dir = inputs.suite, inputs.noise_dir
    return {
        "schema_version": SCHEMA_VERSION,
        "suite": {"name": suite.name, "version": suite.version, "fingerprint": suite.fingerprint, "baseline": suite.baseline},
        "conditions": {c.id: {"family": c.family, "severity": c.severity} for c in inputs.conditions},
        "corpus": {
            "name": plan.reported.name,
            "source": plan.reported.source,
            "fingerprint": plan.reported.fingerprint(),
            "fitting_fingerprint": plan.fitting.fingerprint() if plan.fitting else None,
            "split": inputs.split,
            "licence": plan.reported.licence,
            "speaker_is": plan.reported.speaker_is,
            "group_is": plan.reported.group_is,
        },
        "model": signature_of(transcriber.card),
        "batch_size": plan.batch_size,
        "rules": {"seed": SEED_RULE, "select": SELECT_RULE},
        "talkers": {"name": inputs.talkers.name, "fingerprint": inputs.talkers.fingerprint()},
        "noise_dir": {"name": noise_dir.name, "fingerprint": folder_fingerprint(noise_dir)} if noise_dir else None,
        "versions": {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _RECORDED_PACKAGES},
    }


def _check(*, batch_size: int, workers: int | None) -> None:
    if batch_size < 1:
        raise UserError(f"batch_size: {batch_size} is out of range (allowed: 1 or more)")
    if workers is not None and workers < 0:
        raise UserError(f"workers: {workers} is out of range (allowed: 0 or more)")
