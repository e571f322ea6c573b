"""Commands that transcribe or render speech, and those that join and check what came of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from askd_bench.commands.declared import argument, option, shared, with_options
from askd_bench.errors import UserError
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.options import ModelOptions, RunOptions, SpeechOptions
from askd_bench.report.notes import Notes
from askd_bench.tables.terminal import console

if TYPE_CHECKING:
    from askd_bench.evaluation.timings import Benchmark

out = console()
err = console(stderr=True)


@with_options(RunOptions)
def run(
    suite: Annotated[str, option("Name of a bundled suite (see `list suites`) or a TOML file.")] = "noisy",
    model: Annotated[
        list[str],
        option(
            "Bundled checkpoint, folder, Hub id (owner/name[@revision]), ctranslate2:FOLDER, onnx:FOLDER, http://SERVER, "
            "python:module:factory or transcripts:FILE.jsonl; may be repeated, and then each clip is rendered once for all."
        ),
    ] = [DEFAULT_MODEL],  # noqa: B006  # typer reads it and copies
    *,
    options: RunOptions,
    fail_on_error: Annotated[bool, option("End with exit status 1 where any clip failed.", "--fail-on-error")] = False,
    profile: Annotated[bool, option("Show where the time went: the models' own passes, and the rest.", "--profile")] = False,
) -> None:
    """Score models under a suite's conditions and print the tables. Interrupted? The same command goes on where it stopped."""
    from askd_bench.evaluation.profile import Profile
    from askd_bench.evaluation.run import run as evaluate  # torch is slow to import
    from askd_bench.report.progress_bar import ProgressBar

    spent = Profile()
    with ProgressBar(err) as progress:
        results = evaluate(suite, model, options, progress=progress, profile=spent)
    if options.shard is None:
        _print_results([result.path for result in results], suite, fail_on_error=fail_on_error)
    else:
        paths = ", ".join(str(result.path) for result in results)
        out.print(
            f"Shard {options.shard} is done: {paths}. When all are: askd-bench merge {options.output} --output {options.output}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )
    if profile:
        from askd_bench.report.time_spent import profile_line

        out.print(profile_line(spent.seconds, spent.overhead), highlight=False)


def merge(
    shards: Annotated[list[Path], argument("Folders; every shard in them or below is taken.")],
    output: Annotated[Path, option("Where results go, as for run; it may hold the shards.")] = Path("results"),
    normalizer: Annotated[str, shared("normalizer")] = RunOptions.normalizer,
    overwrite: Annotated[bool, option("Discard results that are in the way.", "--overwrite")] = False,
) -> None:
    """Join what `run --shard 1/n` to `--shard n/n` left into the results of whole runs, and print the tables."""
    from askd_bench.evaluation.merge import merge as join

    _print_results([result.path for result in join(shards, output=output, normalizer=normalizer, overwrite=overwrite)])


@with_options(SpeechOptions)
def render(
    suite: Annotated[str, option("Name of a bundled suite or a TOML file.")] = "noisy",
    out_: Annotated[Path | None, option("A new or empty folder for the audio and its manifest.", "--out")] = None,
    *,
    options: SpeechOptions,
    check: Annotated[Path | None, option("A manifest of an earlier render: render again, write nothing, report differences.")] = None,
) -> None:
    """Write the exact audio a model would hear (FLAC, int16) with hashes and realised parameters, to score systems elsewhere.

    Interrupted? The same command goes on where it stopped.
    """
    from askd_bench.evaluation import rendered_audio

    if check is not None:
        differences = rendered_audio.check(check, noise_dir=options.noise_dir, workers=options.workers)
        for difference in differences:
            out.print(difference, highlight=False, soft_wrap=True)
        out.print(f"{check}: {len(differences)} differences" if differences else f"{check}: every hash is the same")
        raise typer.Exit(1 if differences else 0)
    if out_ is None:
        raise UserError("out: is missing (allowed: --out FOLDER, or --check MANIFEST)")
    from askd_bench.report.progress_bar import ProgressBar

    with ProgressBar(err) as progress:
        manifest = rendered_audio.render(suite, out_, options, progress=progress)
    out.print(f"{manifest}: written", highlight=False)


def verify(
    result_dirs: Annotated[list[Path] | None, argument("[default: all packaged results]", metavar="[RESULT_DIR...]")] = None,
    sample: Annotated[int, option("Clips of each to render again and compare; 0 for none.")] = 3,
    noise_dir: Annotated[Path | None, option("Your own noise recordings, where the run had some.")] = None,
    workers: Annotated[int | None, option("Processes; 0 for none. [default: one per core]")] = None,
) -> None:
    """Check results: every row, the signature, the plan, the summary computed again, and a sample of the audio rendered again."""
    from askd_bench.evaluation.verify import verify as verdicts

    wrong = 0
    for verdict in verdicts(result_dirs or None, sample=sample, noise_dir=noise_dir, workers=workers):
        wrong += bool(verdict.problems)
        out.print(str(verdict), markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1 if wrong else 0)


@with_options(ModelOptions)
def bench(
    model: Annotated[
        list[str], option("As for run; may be repeated: models then take turns, batch by batch (with --seconds one after another).")
    ] = [DEFAULT_MODEL],  # noqa: B006
    corpus: Annotated[str, option("Where the clips come from, as for run.")] = "prompts",
    clips: Annotated[int, option("How many, a seeded sample.")] = 32,
    batch_sizes: Annotated[list[int], option("Clips decoded together; may be repeated.")] = [1, 4, 16],  # noqa: B006
    seconds: Annotated[str | None, option("Instead, latency at batch 1 over the length of clips, e.g. 2,5,10,20,30.")] = None,
    rounds: Annotated[int, option("How often all clips are decoded.")] = 3,
    warmup: Annotated[int, option("Batches decoded beforehand and not counted.")] = 2,
    *,
    options: ModelOptions,
    as_json: Annotated[bool, option("Print everything measured as JSON.", "--json")] = False,
    output: Annotated[Path | None, option("A folder for the same as files, MODEL.json each.")] = None,
) -> None:
    """Measure latency and throughput of a model by batch size, without scoring: warm-up, repeated rounds, percentiles, memory."""
    from askd_bench.evaluation.latency import bench_lengths, parse_seconds  # torch is slow to import
    from askd_bench.evaluation.latency_line import LatencyLine
    from askd_bench.evaluation.speed import bench_in_turns
    from askd_bench.report.bench import bench_json, bench_table, latency_table, write_benches

    with Notes(err):
        how: dict[str, Any] = {"corpus": corpus, "clips": clips, "rounds": rounds, "warmup": warmup, "options": options}
        if seconds is not None:
            measured: Sequence[Benchmark | LatencyLine] = [bench_lengths(one, parse_seconds(seconds), **how) for one in model]
        else:
            measured = bench_in_turns(model, batch_sizes=batch_sizes, **how)
    if as_json:
        out.print(bench_json(measured), highlight=False, soft_wrap=True)
    for one in () if as_json else measured:
        out.print(latency_table(one) if isinstance(one, LatencyLine) else bench_table(one))
    if output is not None:  # last: what took minutes to measure is on the screen where the folder cannot be written
        write_benches(measured, output)


def _print_results(paths: Sequence[Path], suite: str | None = None, *, fail_on_error: bool = False) -> None:
    from askd_bench.report.failures import failures, nothing_scored
    from askd_bench.report.groups import groups_view
    from askd_bench.report.headline import LEGEND, headline
    from askd_bench.results import Result
    from askd_bench.suites import load_suite

    by_group = suite is not None and load_suite(suite).by_group
    for path in paths:
        out.print(headline(Result.open(path)))
        if by_group:
            out.print(groups_view(Result.open(path)))
    out.print(LEGEND, style="dim")
    out.print(f"Rows, signature and summary: {', '.join(map(str, paths))}", style="dim", soft_wrap=True, markup=False)
    found = [failures(Result.open(path)) for path in paths]
    for path, one in zip(paths, found, strict=True):
        if one is not None:
            err.print(f"{path}: {one}", highlight=False, markup=False, soft_wrap=True)
    if nothing_scored(found) or (fail_on_error and any(found)):
        raise typer.Exit(1)
