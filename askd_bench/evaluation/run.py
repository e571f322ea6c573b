"""`run`: a suite over corpora into a model, one result directory for each corpus."""

import pickle
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from askd_bench.arguments import StrPath
from askd_bench.corpora.durations import unlike_files
from askd_bench.errors import UserError
from askd_bench.evaluation.executors.local import Local
from askd_bench.evaluation.hearing import Listener, Size, hear
from askd_bench.evaluation.inputs import Inputs, Selected, resolve_inputs
from askd_bench.evaluation.panel import Described, Executor, Panel
from askd_bench.evaluation.plan import Plan
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.progress import Progress, Silent
from askd_bench.evaluation.shards import Shard, say_done
from askd_bench.evaluation.versions import versions
from askd_bench.evaluation.workers import Preparer, Workers, default_workers
from askd_bench.log import LOG
from askd_bench.metrics.others import packaged_modules
from askd_bench.models.load import Model, load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.options import RunOptions
from askd_bench.results import Result, RowStore
from askd_bench.signature import Signature
from askd_bench.text import normaliser


@dataclass(frozen=True, slots=True)
class CorpusResult:
    """What a run left of one model on one corpus: the directory and its summary, which is empty for a shard: a part has no figures."""

    model: str
    corpus: str
    path: Path
    summary: dict[str, Any]
    signature: Signature


def run(
    suite: StrPath = "noisy",
    model: Model | Sequence[Model] = DEFAULT_MODEL,
    options: RunOptions | None = None,
    *,
    progress: Progress | None = None,
    profile: Profile | None = None,
    **changes: Any,
) -> list[CorpusResult]:
    """Score models under a suite's conditions.

    Interrupted runs go on where they stopped when called again with the same arguments. Worker processes are spawned: in a script, call
    this under `if __name__ == "__main__":`, or with `workers=0`.

    Args:
        suite: a bundled suite's name, or a TOML file.
        model: see `load_transcriber`. Several hear each rendering in turn: it is made once, and so are the states of an encoder that they
            share. The rows are those of separate runs.
        options: of the run. A run of the "test" split also decodes clean "dev" speech, for temperature scaling; the baseline condition
            always comes along; with `full` and without `limit`, every utterance does. The results of a shard go to
            `<output>/<model>/<suite>-v<version>/<corpus>.shards/<i>-of-<n>/`, for `merge` to join. With the executor "ray" there is an
            actor for each `threads` cores (one where it is None) or each GPU.
        progress: told of every step.
        profile: told where the time went.
        changes: of single options.

    Returns:
        one result for each corpus and model, corpus by corpus.

    Raises:
        UserError: bad input, told in one line, before anything is written.
    """
    options = RunOptions.of(options, changes)
    progress, profile = progress or Silent(), profile or Profile()
    normaliser(options.normalizer)
    packaged_modules()  # what is wrong with one is told now
    part = None if options.shard is None else Shard.parse(options.shard)
    inputs = resolve_inputs(suite, options)
    models: list[Model] = list(model) if isinstance(model, list | tuple) else [cast("Model", model)]
    if not models:
        raise UserError("model: none is given (allowed: one or more)")
    results = []
    with ExitStack() as stack:
        with profile.measure("loading"):
            engine: Executor
            if options.executor == "ray":
                engine = stack.enter_context(_on_ray(models, options, profile))
            else:
                pool = stack.enter_context(Workers(default_workers() if options.workers is None else options.workers))
                transcribers = [load_transcriber(one, options.of_model) for one in models]
                engine = Local(transcribers, workers=pool, profile=profile)
            _refuse_namesakes(engine.models)
        passes: list[tuple[Plan, Size, list[Listener], Panel]] = []
        for selected in inputs.corpora:
            if unlike := unlike_files(selected.reported):
                LOG.warning(f"corpus: {unlike}")
            for window_s in dict.fromkeys(one.window_s for one in engine.models):
                alike = [number for number, one in enumerate(engine.models) if one.window_s == window_s]
                plan = Plan(
                    conditions=inputs.conditions,
                    reported=selected.reported,
                    fitting=selected.fitting,
                    baseline=inputs.suite.baseline,
                    batch_size=options.batch_size,
                    window_s=window_s,
                )
                if part is not None:
                    plan = part.of(plan)
                size = Size.of(plan)
                for reason, rows in plan.reported.left_out.items():
                    LOG.warning(f"corpus: {rows} rows of {plan.reported.name} are left out: {reason}")
                listeners = [_listener(inputs, plan, size, engine.models[one], part, options) for one in alike]
                passes.append((plan, size, listeners, _panel(inputs, alike, engine.models)))
        for _, _, listeners, _ in passes:  # all were found free before the first is touched
            for listener in listeners:
                listener.store.prepare()
                stack.enter_context(listener.store)
        for plan, size, listeners, panel in passes:
            hear(plan, size, listeners, panel, engine, progress=progress, profile=profile)
            for listener in listeners:
                listener.store.close()
                result, peak = Result(listener.store.path), engine.peak_memory_bytes()
                with profile.measure("summarising"):
                    if part is None:
                        summary = result.write_summary(options.normalizer, peak_memory_bytes=peak)
                    else:
                        summary = {}
                        say_done(result.path, peak_memory_bytes=peak)
                results.append(CorpusResult(listener.model.card.id, plan.reported.name, result.path, summary, result.signature()))
    return results


def _refuse_namesakes(models: Sequence[Described]) -> None:
    names = [one.card.id for one in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        sources = ", ".join(one.card.source for one in models)
        raise UserError(f"model: two of {sources} are called {twice!r} (allowed: different names, since results go by name)")


def _on_ray(models: Sequence[Model], options: RunOptions, profile: Profile) -> AbstractContextManager[Executor]:
    try:
        from askd_bench.evaluation.executors.ray import OnRay
    except ImportError:
        raise UserError("executor: 'ray' needs a package that is not installed (allowed: local, or pip install askd-bench[ray])") from None
    return OnRay(load_transcriber, models, options.of_model, address=options.address, profile=profile)


def _listener(inputs: Inputs, plan: Plan, size: Size, model: Described, shard: Shard | None, options: RunOptions) -> Listener:
    signature = inputs.signature(
        Selected(plan.reported, plan.fitting),
        model=model.card,
        batch_size=plan.batch_size,
        planned_rows=size.rows(plan),
        versions=versions(),
        shard=None if shard is None else shard.record(plan),
    )
    folder = Path(plan.reported.name) if shard is None else shard.folder(plan.reported.name)
    return Listener(
        model, RowStore(Path(options.output) / model.card.id / inputs.suite.label / folder, signature, overwrite=options.overwrite)
    )


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
