"""`run`: a suite over corpora into a model, one result directory for each corpus."""

import pickle
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askd_bench.corpora.durations import unlike_files
from askd_bench.errors import UserError, unknown_name
from askd_bench.evaluation.executors.local import Local
from askd_bench.evaluation.hearing import Listener, Size, hear
from askd_bench.evaluation.inputs import Inputs, Selected, resolve_inputs
from askd_bench.evaluation.panel import Described, Executor, Panel
from askd_bench.evaluation.plan import Plan
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.progress import Held, Progress, Silent
from askd_bench.evaluation.shards import Shard, say_done
from askd_bench.evaluation.versions import versions
from askd_bench.evaluation.workers import Preparer, Workers, default_workers
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.results import Result, RowStore
from askd_bench.signature import Signature
from askd_bench.text import DEFAULT_NORMALISER, normaliser
from askd_bench.types import Split

EXECUTORS = ("local", "ray")


@dataclass(frozen=True, slots=True)
class CorpusResult:
    """What a run left of one model on one corpus: the directory and its summary, which is empty for a shard: a part has no figures."""

    model: str
    corpus: str
    path: Path
    summary: dict[str, Any]
    signature: Signature


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
    audio_context: str | int | None = None,
    trust_remote_code: bool = False,
    batch_size: int = 16,
    workers: int | None = None,
    shard: str | None = None,
    executor: str = "local",
    address: str | None = None,
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
        dtype, device, threads, language, task, num_beams, audio_context, trust_remote_code: see `models.options.Options`.
        batch_size: clips decoded together.
        workers: processes that render; None for one per four cores, 0 for none.
        shard: "i/n": only the i-th of n parts of each corpus' plan, for `merge` to join; results go to
            `<output>/<model>/<suite>-v<version>/<corpus>.shards/<i>-of-<n>/`.
        executor: "local", or "ray": on the machines of a Ray cluster, an actor for each `threads` cores (one where it is None) or each GPU.
        address: of that cluster, e.g. "auto" for the one this machine belongs to; None starts one on this machine.
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
    _check(batch_size=batch_size, workers=workers, executor=executor, address=address)
    normaliser(normalizer)
    part = None if shard is None else Shard.parse(shard)
    inputs = resolve_inputs(suite, corpus=corpus, conditions=conditions, full=full, limit=limit, split=split, noise_dir=noise_dir)
    options = {"dtype": dtype, "device": device, "threads": threads, "language": language, "task": task, "num_beams": num_beams}
    options |= {"audio_context": audio_context, "trust_remote_code": trust_remote_code}
    models = [model] if isinstance(model, str) else list(model)
    if not models:
        raise UserError("model: none is given (allowed: one or more)")
    say = Held(progress.note)
    results = []
    with ExitStack() as stack:
        with profile.measure("loading"):
            engine: Executor
            if executor == "ray":
                engine = stack.enter_context(_on_ray(models, options, address=address, say=say, profile=profile))
            else:
                pool = stack.enter_context(Workers(default_workers() if workers is None else workers))
                transcribers = [load_transcriber(one, say=say, **options) for one in models]
                engine = Local(transcribers, workers=pool, say=say, profile=profile)
            _refuse_namesakes(models, engine.models)
        passes: list[tuple[Plan, Size, list[Listener], Panel]] = []
        for selected in inputs.corpora:
            if unlike := unlike_files(selected.reported):
                say(f"corpus: {unlike}")
            for window_s in dict.fromkeys(one.window_s for one in engine.models):
                alike = [number for number, one in enumerate(engine.models) if one.window_s == window_s]
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
                size = Size.of(plan)
                for reason, rows in plan.reported.left_out.items():
                    say(f"corpus: {rows} rows of {plan.reported.name} are left out: {reason}")
                listeners = [_listener(inputs, plan, size, engine.models[one], Path(output), part, overwrite=overwrite) for one in alike]
                passes.append((plan, size, listeners, _panel(inputs, alike, engine.models)))
        for _, _, listeners, _ in passes:  # all were found free before the first is touched
            for listener in listeners:
                listener.store.prepare()
                stack.enter_context(listener.store)
        say.release()
        for plan, size, listeners, panel in passes:
            hear(plan, size, listeners, panel, engine, progress=progress, profile=profile)
            for listener in listeners:
                listener.store.close()
                result, peak = Result(listener.store.path), engine.peak_memory_bytes()
                with profile.measure("summarising"):
                    if part is None:
                        summary = result.write_summary(normalizer, peak_memory_bytes=peak)
                    else:
                        summary = {}
                        say_done(result.path, peak_memory_bytes=peak)
                results.append(CorpusResult(listener.model.card.id, plan.reported.name, result.path, summary, result.signature()))
    return results


def _refuse_namesakes(arguments: Sequence[str], models: Sequence[Described]) -> None:
    names = [one.card.id for one in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"model: two of {', '.join(arguments)} are called {twice!r} (allowed: different names, since results go by name)")


def _on_ray(models: Sequence[str], options: dict[str, Any], **how: Any) -> AbstractContextManager[Executor]:
    try:
        from askd_bench.evaluation.executors.ray import OnRay
    except ImportError:
        raise UserError("executor: 'ray' needs a package that is not installed (allowed: local, or pip install askd-bench[ray])") from None
    return OnRay(load_transcriber, models, options, **how)


def _listener(inputs: Inputs, plan: Plan, size: Size, model: Described, output: Path, shard: Shard | None, *, overwrite: bool) -> Listener:
    signature = inputs.signature(
        Selected(plan.reported, plan.fitting),
        model=model.card,
        batch_size=plan.batch_size,
        planned_rows=size.rows(plan),
        versions=versions(),
        shard=None if shard is None else shard.record(plan),
    )
    folder = Path(plan.reported.name) if shard is None else shard.folder(plan.reported.name)
    return Listener(model, RowStore(output / model.card.id / inputs.suite.label / folder, signature, overwrite=overwrite))


def _panel(inputs: Inputs, numbers: Sequence[int], models: Sequence[Described]) -> Panel:
    """Return the panel of the models with these numbers; its preparer has each different front end once."""
    pickled = [pickle.dumps(models[number].frontend) for number in numbers]
    frontends = {key: models[number].frontend for key, number in zip(pickled, numbers, strict=True)}
    preparer = Preparer(
        suite=inputs.suite.name,
        version=inputs.suite.version,
        talkers=tuple(inputs.talkers),
        noise_dir=inputs.noise_dir,
        frontends=tuple(frontends.values()),
    )
    return Panel(models=numbers, frontends=[list(frontends).index(key) for key in pickled], preparer=preparer)


def _check(*, batch_size: int, workers: int | None, executor: str, address: str | None) -> None:
    if batch_size < 1:
        raise UserError(f"batch_size: {batch_size} is out of range (allowed: 1 or more)")
    if workers is not None and workers < 0:
        raise UserError(f"workers: {workers} is out of range (allowed: 0 or more)")
    if executor not in EXECUTORS:
        raise unknown_name("executor", executor, EXECUTORS)
    if executor == "ray" and workers is not None:
        raise UserError(f"workers: {workers} cannot be combined with executor ray (allowed: leave it out; its actors render themselves)")
    if executor != "ray" and address is not None:
        raise UserError(f"address: {address!r} is of no use to executor {executor} (allowed: leave it out, or --executor ray)")
