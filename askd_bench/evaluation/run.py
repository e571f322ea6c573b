"""`run`: a suite over corpora into a model, one result directory for each corpus."""

import importlib.metadata
import pickle
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askd_bench.corpora import SEED_RULE as SELECT_RULE
from askd_bench.errors import UserError
from askd_bench.evaluation.hearing import Listener, hear
from askd_bench.evaluation.inputs import Inputs, folder_fingerprint, resolve_inputs
from askd_bench.evaluation.memory import peak_memory_bytes
from askd_bench.evaluation.plan import Plan
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.progress import Progress, Silent
from askd_bench.evaluation.render import SEED_RULE
from askd_bench.evaluation.shards import Shard, say_done
from askd_bench.evaluation.workers import Preparer, default_workers
from askd_bench.models.base import REMOTE, Transcriber
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.results import SCHEMA_VERSION, Result, RowStore, signature_of
from askd_bench.text import DEFAULT_NORMALISER, normaliser
from askd_bench.types import Split

_RECORDED_PACKAGES = ("askd-bench", "av", "numpy", "scipy", "soundfile", "soxr", "tokenizers", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class CorpusResult:
    """What a run left of one model on one corpus: the directory and its summary, which is empty for a shard: a part has no figures."""

    model: str
    corpus: str
    path: Path
    summary: dict[str, Any]
    signature: dict[str, Any]


def run(
    suite: str = "noisy",
    model: str | Sequence[str] = (DEFAULT_MODEL,),
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
    trust_remote_code: bool = False,
    batch_size: int = 16,
    workers: int | None = None,
    shard: str | None = None,
    normalizer: str = DEFAULT_NORMALISER,
    overwrite: bool = False,
    progress: Progress | None = None,
    profile: Profile | None = None,
) -> list[CorpusResult]:
    """Score models under a suite's conditions; the command `askd-bench run` with the same names and defaults.

    Interrupted runs go on where they stopped when called again with the same arguments. Worker processes are spawned: in a script, call
    this under `if __name__ == "__main__":`, or with `workers=0`.

    Args:
        suite: a bundled suite's name, or a TOML file.
        model: see `load_transcriber`. Several hear each rendering in turn: it is made once, and so are the states of an encoder that they
            share. The rows are those of separate runs.
        corpus: specs for `open_corpus`; None for the suite's own.
        output: results go to `<output>/<model>/<suite>-v<version>/<corpus>/`.
        conditions: ids, globs or `@subgrid`; None for the suite's default grid. The baseline always comes along.
        full: every condition and, unless `limit` says otherwise, every utterance.
        limit: utterances per corpus (a seeded sample, stratified by speaker); 0 for all; None for what the suite says.
        split: "test" is what is reported; its run also decodes clean "dev" speech, for temperature scaling. "dev" is for choosing settings.
        noise_dir: the user's noise recordings, for conditions with noise = "folder".
        dtype, device, threads, language, task, num_beams, trust_remote_code: see `models.options.Options`.
        batch_size: clips decoded together.
        workers: processes that render; None for one per four cores, 0 for none.
        shard: "i/n": only the i-th of n parts of each corpus' plan, for `merge` to join; results go to
            `<output>/<model>/<suite>-v<version>/<corpus>.shards/<i>-of-<n>/`.
        normalizer: of the summary; rows keep raw text.
        overwrite: discard results of another run that are in the way.
        progress: told of every step.
        profile: told where the time went.

    Returns:
        one result for each corpus and model, corpus by corpus.

    Raises:
        UserError: bad input, told in one line, before anything is written.
    """
    progress, profile = progress or Silent(), profile or Profile()
    _check(batch_size=batch_size, workers=workers)
    normaliser(normalizer)
    part = None if shard is None else Shard.parse(shard)
    inputs = resolve_inputs(suite, corpus=corpus, conditions=conditions, full=full, limit=limit, split=split, noise_dir=noise_dir)
    options = {"dtype": dtype, "device": device, "threads": threads, "language": language, "task": task, "num_beams": num_beams}
    notes: list[str] = []
    with profile.measure("loading"):
        transcribers = _load(model, say=notes.append, trust_remote_code=trust_remote_code, **options)
    passes: list[tuple[Plan, list[Listener], Preparer]] = []
    for selected in inputs.corpora:
        for window_s in dict.fromkeys(one.window_s for one in transcribers):
            alike = [one for one in transcribers if one.window_s == window_s]
            plan = Plan(
                conditions=inputs.conditions,
                reported=selected.reported,
                fitting=selected.fitting,
                baseline=inputs.suite.baseline,
                batch_size=batch_size,
                window_s=window_s,
            )
            if part is not None:
                plan = part.of(plan)
            passes.append((plan, *_listeners(inputs, plan, alike, Path(output), part, overwrite=overwrite)))
    results = []
    with ExitStack() as open_stores:
        for _, listeners, _ in passes:  # all were found free before the first is touched
            for listener in listeners:
                listener.store.prepare()
                open_stores.enter_context(listener.store)
        for note in notes:  # bad input is one line, so that all else waits until there is none
            progress.note(note)
        for plan, listeners, preparer in passes:
            hear(
                plan,
                listeners,
                preparer,
                workers=default_workers() if workers is None else workers,
                progress=progress,
                profile=profile,
            )
            for listener in listeners:
                listener.store.close()
                # the peak is the process's, and no model's where there are several or it runs elsewhere
                own = len(transcribers) == 1 and listener.transcriber.card.device != REMOTE
                peak = peak_memory_bytes() if listener.warm and own else None
                result = Result(listener.store.path)
                with profile.measure("summarising"):
                    if part is None:
                        summary = result.write_summary(normalizer, peak_memory_bytes=peak)
                    else:
                        summary = {}
                        say_done(result.path, peak_memory_bytes=peak)
                results.append(CorpusResult(listener.transcriber.card.id, plan.reported.name, result.path, summary, result.signature()))
    return results


def _load(model: str | Sequence[str], **options: Any) -> list[Transcriber]:
    models = [model] if isinstance(model, str) else list(model)
    if not models:
        raise UserError("model: none is given (allowed: one or more)")
    transcribers = [load_transcriber(one, **options) for one in models]
    names = [one.card.id for one in transcribers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"model: two of {', '.join(models)} are called {twice!r} (allowed: different names, since results go by name)")
    return transcribers


def _listeners(
    inputs: Inputs, plan: Plan, transcribers: Sequence[Transcriber], output: Path, shard: Shard | None, *, overwrite: bool
) -> tuple[list[Listener], Preparer]:
    """Return the models with their stores, and the preparer with each different front end once."""
    frontends = {pickle.dumps(one.frontend): one.frontend for one in transcribers}
    numbers = {key: number for number, key in enumerate(frontends)}
    folder = Path(plan.reported.name) if shard is None else shard.folder(plan.reported.name)
    of_shard = {} if shard is None else {"shard": shard.record(plan)}
    listeners = [
        Listener(
            transcriber=one,
            store=RowStore(
                output / one.card.id / inputs.suite.label / folder, _signature(inputs, plan, one) | of_shard, overwrite=overwrite
            ),
            frontend=numbers[pickle.dumps(one.frontend)],
        )
        for one in transcribers
    ]
    preparer = Preparer(
        suite=inputs.suite.name,
        version=inputs.suite.version,
        talkers=tuple(inputs.talkers),
        noise_dir=inputs.noise_dir,
        frontends=tuple(frontends.values()),
    )
    return listeners, preparer


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
