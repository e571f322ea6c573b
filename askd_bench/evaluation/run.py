"""`run`: a suite over corpora into a model, one result directory for each corpus."""

import itertools
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from askd_bench.arguments import StrPath
from askd_bench.corpora.bandwidth import narrow_band
from askd_bench.corpora.durations import unlike_files
from askd_bench.errors import UserError
from askd_bench.evaluation.executors.local import Local
from askd_bench.evaluation.executors.protocol import Executor
from askd_bench.evaluation.inputs import Inputs, Selected, resolve_inputs
from askd_bench.evaluation.plan import Plan, Size
from askd_bench.evaluation.profile import Profile
from askd_bench.evaluation.progress import Progress, Silent
from askd_bench.evaluation.shards import Shard, say_done
from askd_bench.evaluation.versions import versions
from askd_bench.evaluation.workers import Preparer, default_workers
from askd_bench.log import LOG
from askd_bench.metrics.others import packaged_modules
from askd_bench.models.load import Model, load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.models.protocol import Described, Frontend
from askd_bench.options import RunOptions
from askd_bench.perturbations.telephony import Telephony
from askd_bench.results import Result
from askd_bench.row_store import RowStore
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
        model: see `load_transcriber`. Several transcribe each rendering in turn: it is made once, and so are the states of an encoder
            that they share. The rows are those of separate runs.
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
    results: list[CorpusResult] = []
    with ExitStack() as stack:
        with profile.measure("loading"):
            executor = stack.enter_context(_executor(models, options, profile))
            _refuse_namesakes(executor.models)
        passes = [*_passes(inputs, executor.models, part, options)]
        for store in (store for one in passes for store in one.stores.values()):  # all were found free before the first is touched
            store.prepare()
            stack.enter_context(store)
        for one in passes:
            _transcribe(one, executor, progress, profile)
            for number, store in one.stores.items():
                store.close()
                with profile.measure("summarising"):
                    summary = _finish(store.path, part, options, executor.peak_memory_bytes())
                name = executor.models[number].card.id
                results.append(CorpusResult(name, one.plan.reported.name, store.path, summary, Result(store.path).signature()))
    return results


def _executor(models: Sequence[Model], options: RunOptions, profile: Profile) -> AbstractContextManager[Executor]:
    how = load_transcriber, models, options.of_model
    if options.executor == "local":
        return Local(*how, workers=default_workers() if options.workers is None else options.workers, profile=profile)
    try:
        from askd_bench.evaluation.executors.ray import OnRay
    except ImportError:
        raise UserError("executor: 'ray' needs a package that is not installed (allowed: local, or pip install askd-bench[ray])") from None
    return OnRay(*how, address=options.address, profile=profile)


def _refuse_namesakes(models: Sequence[Described]) -> None:
    names = [one.card.id for one in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        sources = ", ".join(one.card.source for one in models)
        raise UserError(f"model: two of {sources} are called {twice!r} (allowed: different names, since results go by name)")


@dataclass(frozen=True, slots=True)
class _Pass:
    """A corpus for all models of one window, which batches depend on: the plan, its size, what prepares it, where each model's rows go."""

    plan: Plan
    size: Size
    preparer: Preparer
    stores: Mapping[int, RowStore]


def _passes(inputs: Inputs, models: Sequence[Described], shard: Shard | None, options: RunOptions) -> Iterator[_Pass]:
    """Yield what is to be done, corpus by corpus."""
    for selected in inputs.corpora:
        if unlike := unlike_files(selected.reported):
            LOG.warning(f"corpus: {unlike}")
        if any(isinstance(step, Telephony) for one in inputs.conditions for step in one.chain) and (
            narrow := narrow_band(selected.reported)
        ):
            LOG.warning(f"corpus: {narrow}")
        for window_s in dict.fromkeys(one.window_s for one in models):
            alike = [number for number, one in enumerate(models) if one.window_s == window_s]
            plan = Plan(
                conditions=inputs.conditions,
                reported=selected.reported,
                fitting=selected.fitting,
                baseline=inputs.suite.baseline,
                batch_size=options.batch_size,
                window_s=window_s,
            )
            if shard is not None:
                plan = shard.of(plan)
            size = Size.of(plan)
            for reason, rows in plan.reported.left_out.items():
                LOG.warning(f"corpus: {rows} rows of {plan.reported.name} are left out: {reason}")
            stores = {number: _store(inputs, plan, size, models[number], shard, options) for number in alike}
            yield _Pass(plan, size, _preparer(inputs, {number: models[number].frontend for number in alike}), stores)


def _store(inputs: Inputs, plan: Plan, size: Size, model: Described, shard: Shard | None, options: RunOptions) -> RowStore:
    signature = inputs.signature(
        Selected(plan.reported, plan.fitting),
        model=model.card,
        batch_size=plan.batch_size,
        planned_rows=size.rows(plan),
        versions=versions(),
        shard=None if shard is None else shard.record(plan),
    )
    folder = Path(plan.reported.name) if shard is None else shard.folder(plan.reported.name)
    return RowStore(Path(options.output) / model.card.id / inputs.suite.label / folder, signature, overwrite=options.overwrite)


def _preparer(inputs: Inputs, frontends: Mapping[int, Frontend]) -> Preparer:
    """Return what renders for the models with these numbers, with each different front end once."""
    pickled = {number: pickle.dumps(frontend) for number, frontend in frontends.items()}
    different = {pickled[number]: frontend for number, frontend in frontends.items()}
    return Preparer(
        suite=inputs.suite.name,
        version=inputs.suite.version,
        talkers=tuple(inputs.talkers),
        noise_dir=inputs.noise_dir,
        frontends=tuple(different.values()),
        frontend_of={number: list(different).index(key) for number, key in pickled.items()},
    )


def _transcribe(one: _Pass, executor: Executor, progress: Progress, profile: Profile) -> None:
    """Do what is left of a pass and store rows batch by batch; each model may have been interrupted at another batch."""
    plan, part = one.plan, one.plan.part.utterances if one.plan.part else None
    progress.start(plan.reported.name, [c.id for c in plan.conditions], one.size.utterances, one.size.fitting, part=part)
    done = {number: store.keep_whole_batches(batch.keys for batch in plan) for number, store in one.stores.items()}
    batches, first = iter(plan), min(done.values())
    for batch in itertools.islice(batches, first):
        progress.advance(batch.condition.id, len(batch.utterances), kept=True)
    left = (
        replace(batch, models=[number for number, count in done.items() if count <= place])
        for place, batch in enumerate(batches, start=first)
    )
    for batch, rows in executor.transcribe(one.preparer, left):
        with profile.measure("storing"):
            for number, of_model in zip(batch.models, rows, strict=True):
                one.stores[number].append(of_model)
        progress.advance(batch.condition.id, len(batch.utterances), kept=False)


def _finish(path: Path, shard: Shard | None, options: RunOptions, peak_memory_bytes: int | None) -> dict[str, Any]:
    """Summarise the rows of a whole run; of a shard say that they are complete."""
    if shard is None:
        return Result(path).write_summary(options.normalizer, peak_memory_bytes=peak_memory_bytes)
    say_done(path, peak_memory_bytes=peak_memory_bytes)
    return {}
