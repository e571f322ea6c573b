"""Commands that hear or render speech, or put together and check what was heard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from askd_bench.errors import UserError
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.tables.terminal import console

out = console()
err = console(stderr=True)


def run(
    suite: Annotated[str, typer.Option(help="Name of a bundled suite (see `list suites`) or a TOML file.")] = "noisy",
    model: Annotated[
        list[str],
        typer.Option(
            help="Bundled checkpoint, folder, Hub id (owner/name[@revision]), ctranslate2:FOLDER, onnx:FOLDER, http://SERVER, "
            "python:module:factory or transcripts:FILE.jsonl; may be repeated, and then each clip is rendered once for all."
        ),
    ] = [DEFAULT_MODEL],  # noqa: B006  # typer reads it and copies
    corpus: Annotated[
        list[str] | None,
        typer.Option(help="Name, manifest.jsonl, folder, or hub:ID[@revision][:config][:split]; may be repeated. [default: the suite's]"),
    ] = None,
    output: Annotated[Path, typer.Option(help="Where results go: <output>/<model>/<suite>-v<version>/<corpus>/.")] = Path("results"),
    conditions: Annotated[
        list[str] | None, typer.Option(help="Ids, globs (babble-*) or sub-grids (@srb); may be repeated. [default: the suite's short grid]")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Every condition, every utterance.")] = False,
    limit: Annotated[
        int | None, typer.Option(help="Utterances per corpus, a seeded sample over speakers; 0 for all. [default: the suite's]")
    ] = None,
    split: Annotated[str, typer.Option(help="test: what is reported; dev: for choosing settings.")] = "test",
    noise_dir: Annotated[Path | None, typer.Option(help="Your own noise recordings, for conditions that use a folder.")] = None,
    dtype: Annotated[str, typer.Option(help="auto (says what it chose and why), float32, bfloat16 or float16.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads of the model. [default: all cores]")] = None,
    language: Annotated[str, typer.Option(help="Spoken language, for multilingual models.")] = "en",
    task: Annotated[str, typer.Option(help="transcribe or translate.")] = "transcribe",
    num_beams: Annotated[int, typer.Option(help="1 is greedy, with confidences; more beams give text alone.")] = 1,
    audio_context: Annotated[
        str | None,
        typer.Option(help="Of Whisper's encoder: positions beyond the clip's own, 50 a second; or full. [default: the checkpoint's]"),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that comes with the model; a Hub id then needs @COMMIT.")
    ] = False,
    batch_size: Annotated[int, typer.Option(help="Clips decoded together; halved where they are too many for memory.")] = 16,
    workers: Annotated[int | None, typer.Option(help="Processes that render audio; 0 for none. [default: one per four cores]")] = None,
    shard: Annotated[str | None, typer.Option(help="i/n, e.g. 3/8: only that part of the work; `merge` joins all parts.")] = None,
    executor: Annotated[str, typer.Option(help="local, or ray: an actor for each --threads cores of a Ray cluster.")] = "local",
    address: Annotated[str | None, typer.Option(help="The Ray cluster's, e.g. auto. [default: one is started on this machine]")] = None,
    normalizer: Annotated[str, typer.Option(help="Text normaliser of the summary.")] = "whisper-english",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Discard another run's results that are in the way.")] = False,
    fail_on_error: Annotated[bool, typer.Option("--fail-on-error", help="End with exit status 1 where any clip failed.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Show where the time went: the models' own passes, and the rest.")] = False,
) -> None:
    """Score models under a suite's conditions and print the tables. Interrupted? The same command goes on where it stopped."""
    from askd_bench.evaluation.profile import Profile
    from askd_bench.evaluation.run import run as evaluate  # torch is slow to import
    from askd_bench.report.progress_bar import ProgressBar

    spent = Profile()
    with ProgressBar(err) as progress:
        results = evaluate(
            suite,
            model,
            corpus=corpus,
            output=output,
            conditions=conditions,
            full=full,
            limit=limit,
            split=split,  # type: ignore[arg-type]  # checked by run
            noise_dir=noise_dir,
            dtype=dtype,
            device=device,
            threads=threads,
            language=language,
            task=task,
            num_beams=num_beams,
            audio_context=audio_context,
            trust_remote_code=trust_remote_code,
            batch_size=batch_size,
            workers=workers,
            shard=shard,
            executor=executor,
            address=address,
            normalizer=normalizer,
            overwrite=overwrite,
            progress=progress,
            profile=spent,
        )
    if shard is None:
        _print_results([result.path for result in results], suite, fail_on_error=fail_on_error)
    else:
        paths = ", ".join(str(result.path) for result in results)
        out.print(
            f"Shard {shard} is done: {paths}. When all are: askd-bench merge {output} --output {output}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )
    if profile:
        from askd_bench.report.time_spent import profile_line

        out.print(profile_line(spent.seconds, spent.overhead), highlight=False)


def merge(
    shards: Annotated[list[Path], typer.Argument(help="Folders; every shard in them or below is taken.")],
    output: Annotated[Path, typer.Option(help="Where results go, as for run; it may hold the shards.")] = Path("results"),
    normalizer: Annotated[str, typer.Option(help="Text normaliser of the summary.")] = "whisper-english",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Discard results that are in the way.")] = False,
) -> None:
    """Join what `run --shard 1/n` to `--shard n/n` left into the results of whole runs, and print the tables."""
    from askd_bench.evaluation.merge import merge as join

    _print_results([result.path for result in join(shards, output=output, normalizer=normalizer, overwrite=overwrite)])


def render(
    suite: Annotated[str, typer.Option(help="Name of a bundled suite or a TOML file.")] = "noisy",
    out_: Annotated[Path | None, typer.Option("--out", help="A new or empty folder for the audio and its manifest.")] = None,
    corpus: Annotated[list[str] | None, typer.Option(help="As for run; may be repeated. [default: the suite's]")] = None,
    conditions: Annotated[list[str] | None, typer.Option(help="As for run; may be repeated. [default: the suite's short grid]")] = None,
    full: Annotated[bool, typer.Option("--full", help="Every condition, every utterance.")] = False,
    limit: Annotated[int | None, typer.Option(help="As for run. [default: the suite's]")] = None,
    split: Annotated[str, typer.Option(help="test or dev.")] = "test",
    noise_dir: Annotated[Path | None, typer.Option(help="Your own noise recordings.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; 0 for none. [default: one per four cores]")] = None,
    check: Annotated[
        Path | None, typer.Option(help="A manifest of an earlier render: render again, write nothing, report differences.")
    ] = None,
) -> None:
    """Write the exact audio a model would hear (FLAC, int16) with hashes and realised parameters, to score systems elsewhere."""
    from askd_bench.evaluation import rendered_audio

    if check is not None:
        differences = rendered_audio.check(check, noise_dir=noise_dir, workers=workers)
        for difference in differences:
            out.print(difference, highlight=False, soft_wrap=True)
        out.print(f"{check}: {len(differences)} differences" if differences else f"{check}: every hash is the same")
        raise typer.Exit(1 if differences else 0)
    if out_ is None:
        raise UserError("out: is missing (allowed: --out FOLDER, or --check MANIFEST)")
    from askd_bench.report.progress_bar import ProgressBar

    with ProgressBar(err) as progress:
        manifest = rendered_audio.render(
            suite,
            out=out_,
            corpus=corpus,
            conditions=conditions,
            full=full,
            limit=limit,
            split=split,  # type: ignore[arg-type]  # checked by render
            noise_dir=noise_dir,
            workers=workers,
            progress=progress,
        )
    out.print(f"{manifest}: written", highlight=False)


def verify(
    result_dirs: Annotated[list[Path] | None, typer.Argument(metavar="[RESULT_DIR...]", help="[default: all packaged results]")] = None,
    sample: Annotated[int, typer.Option(help="Clips of each to render again and compare; 0 for none.")] = 3,
    noise_dir: Annotated[Path | None, typer.Option(help="Your own noise recordings, where the run had some.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; 0 for none. [default: one per core]")] = None,
) -> None:
    """Check results: every row, the signature, the plan, the summary computed again, and a sample of the audio rendered again."""
    from askd_bench.evaluation.verify import verify as verdicts

    wrong = 0
    for verdict in verdicts(result_dirs or None, sample=sample, noise_dir=noise_dir, workers=workers):
        wrong += bool(verdict.problems)
        out.print(str(verdict), markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1 if wrong else 0)


def bench(
    model: Annotated[str, typer.Option(help="As for run.")] = DEFAULT_MODEL,
    corpus: Annotated[str, typer.Option(help="Where the clips come from, as for run.")] = "prompts",
    clips: Annotated[int, typer.Option(help="How many, a seeded sample.")] = 32,
    batch_sizes: Annotated[list[int], typer.Option(help="Clips decoded together; may be repeated.")] = [1, 4, 16],  # noqa: B006
    seconds: Annotated[str | None, typer.Option(help="Instead, latency at batch 1 over the length of clips, e.g. 2,5,10,20,30.")] = None,
    rounds: Annotated[int, typer.Option(help="How often all clips are decoded.")] = 3,
    warmup: Annotated[int, typer.Option(help="Batches decoded beforehand and not counted.")] = 2,
    dtype: Annotated[str, typer.Option(help="As for run.")] = "auto",
    device: Annotated[str, typer.Option(help="As for run.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads of the model. [default: all cores]")] = None,
    language: Annotated[str, typer.Option(help="As for run.")] = "en",
    task: Annotated[str, typer.Option(help="As for run.")] = "transcribe",
    num_beams: Annotated[int, typer.Option(help="As for run.")] = 1,
    audio_context: Annotated[str | None, typer.Option(help="As for run. [default: the checkpoint's]")] = None,
    trust_remote_code: Annotated[bool, typer.Option("--trust-remote-code", help="As for run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything measured as JSON.")] = False,
) -> None:
    """Measure latency and throughput of a model by batch size, without scoring: warm-up, repeated rounds, percentiles, memory."""
    from askd_bench.evaluation.latency import bench_lengths, parse_seconds  # torch is slow to import
    from askd_bench.evaluation.speed import bench as measure
    from askd_bench.report.bench import bench_json, bench_table, latency_table
    from askd_bench.report.progress_bar import ProgressBar

    with ProgressBar(err) as progress:
        how: dict[str, Any] = {
            "corpus": corpus,
            "clips": clips,
            "rounds": rounds,
            "warmup": warmup,
            "dtype": dtype,
            "device": device,
            "threads": threads,
            "language": language,
            "task": task,
            "num_beams": num_beams,
            "audio_context": audio_context,
            "trust_remote_code": trust_remote_code,
            "progress": progress,
        }
        if seconds is not None:
            line = bench_lengths(model, parse_seconds(seconds), **how)
            out.print(bench_json(line) if as_json else latency_table(line), highlight=False, soft_wrap=as_json)
            return
        measured = measure(model, batch_sizes=batch_sizes, **how)
    if as_json:
        out.print(bench_json(measured), highlight=False, soft_wrap=True)
    else:
        out.print(bench_table(measured))


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
