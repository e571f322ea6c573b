"""`askd-train`: parse, delegate, print. torch is imported inside the commands, so that `--help` answers at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from askd_bench.errors import UserError
from askd_bench.tables.terminal import console

if TYPE_CHECKING:
    from rich.progress import Progress

    from askd_trainers.plan import Plan

# typer may carry its own copy of click: the class that all usage errors share is found through the one it exports.
_USAGE_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train distilled students: the KD baseline, ASKD (a reconstruction) and their controls.\n\n"
    "Start with:  askd-train run kd --dry-run",
)
out = console()
err = console(stderr=True)

Set = Annotated[list[str] | None, typer.Option("--set", help="Change a field: section.key=value, in TOML; may be repeated.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan, with times from ten measured steps, and train nothing.")]
SharedWeights = Annotated[
    bool, typer.Option("--shared-weights", help="Point to the teacher's encoder and embeddings where they are equal: keep both folders.")
]
Threads = Annotated[int | None, typer.Option(help="CPU threads.", show_default="all cores")]


@app.command("init-student")
def init_student(
    teacher: Annotated[str, typer.Argument(help="Bundled checkpoint, folder, or Hub id.")],
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="Where the student goes.")],
    decoder_layers: Annotated[
        int | None, typer.Option(help="Decoder layers of a Whisper to copy, evenly spaced, first and last among them.", show_default="2")
    ] = None,
    encoder_layers: Annotated[int | None, typer.Option(help="Encoder layers to copy.", show_default="all")] = None,
    window_seconds: Annotated[
        float | None, typer.Option(help="Length of a Whisper's encoder window.", show_default="the teacher's")
    ] = None,
    shared_weights: SharedWeights = False,
) -> None:
    """Make a student by copying layers of a teacher, as Distil-Whisper does."""
    from askd_trainers.students.init import init_student as make

    shared = make(
        teacher,
        out_folder,
        decoder_layers=decoder_layers,
        encoder_layers=encoder_layers,
        window_seconds=window_seconds,
        shared_weights=shared_weights,
    )
    size = sum(file.stat().st_size for file in out_folder.rglob("*")) / 1e6
    beside = "; the rest of its weights are the teacher's file" if shared else ""
    out.print(f"{out_folder}: {size:.1f} MB{beside}", highlight=False, soft_wrap=True)


@app.command()
def export(
    student: Annotated[str, typer.Argument(help="Bundled checkpoint, folder, or Hub id.")],
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    ctranslate2: Annotated[
        str | None, typer.Option(metavar="TYPE", help="For CTranslate2 instead, weights in this type: int8, float16, float32 and others.")
    ] = None,
) -> None:
    """Write a student as a folder that stands alone: for transformers, where it shares weights with its teacher, or for CTranslate2."""
    from askd_trainers.students.init import export_student

    if ctranslate2 is None:
        export_student(student, out_folder)
    else:
        from askd_trainers.students.ctranslate2_export import export_ctranslate2

        export_ctranslate2(student, out_folder, quantization=ctranslate2)
    out.print(f"{out_folder}: {sum(file.stat().st_size for file in out_folder.rglob('*')) / 1e6:.1f} MB", highlight=False, soft_wrap=True)


@app.command("pseudo-label")
def pseudo_label(
    teacher: Annotated[str, typer.Argument(help="Bundled checkpoint, folder, or Hub id.")],
    corpus: Annotated[str, typer.Argument(help="As `askd-bench run --corpus` takes it.")],
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="A folder: manifest.jsonl there is what is kept.")],
    wer_threshold: Annotated[
        float, typer.Option(help="Keep a clip when the transcript's WER against its reference is at most this.")
    ] = 0.1,
    batch_size: Annotated[int, typer.Option(help="Clips decoded together.")] = 16,
    keep_uppercase: Annotated[bool, typer.Option("--keep-uppercase", help="Keep clips whose reference is in capitals only.")] = False,
    language: Annotated[str, typer.Option(help="Of the speech, a two-letter code.")] = "en",
    threads: Threads = None,
) -> None:
    """Transcribe a corpus with a teacher, as labels for a student of any vocabulary. Interrupted? The same command goes on."""
    from askd_trainers.data.pseudo_label import pseudo_label as label

    _use_threads(threads)
    with err.status("transcribing") as status:
        done = label(
            teacher,
            corpus,
            out_folder,
            wer_threshold=wer_threshold,
            batch_size=batch_size,
            keep_uppercase=keep_uppercase,
            language=language,
            threads=threads,
            progress=lambda count: status.update(f"transcribing: {count} done"),
        )
    reasons = ", ".join(f"{count} {reason}" for reason, count in done.left_out.items())
    out.print(
        f"{out_folder / 'manifest.jsonl'}: {done.kept} of {done.total} kept{f'; left out: {reasons}' if reasons else ''}", soft_wrap=True
    )


@app.command()
def join(
    corpus: Annotated[str, typer.Argument(help="As `askd-bench run --corpus` takes it.")],
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder: manifest.jsonl there is the corpus of what is joined.")],
    longest: Annotated[float, typer.Option(help="Length of what is joined, at most: seconds.")] = 10.0,
    pause: Annotated[tuple[float, float], typer.Option(help="The shortest and the longest pause between two, seconds.")] = (0.1, 0.6),
    alone: Annotated[float, typer.Option(help="Share of the utterances that are written by themselves too, 0 to 1.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Decides order, pauses and who is alone.")] = 0,
) -> None:
    """Join utterances of one speaker into longer ones, to train on beside the short ones. The corpus' licence holds for what is made."""
    from askd_trainers.data.joining import join_utterances

    with _progress() as progress:
        report = _reporter(progress)
        done = join_utterances(
            corpus,
            out_folder,
            longest_s=longest,
            pause_s=pause,
            alone=alone,
            seed=seed,
            progress=lambda count, total: report("joining", count, total),
        )
    out.print(
        f"{out_folder / 'manifest.jsonl'}: {done.made} utterances of {done.used}, {done.seconds / 60:.1f} min; {done.left} left",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A bundled recipe (see `recipes`) or a TOML file.")],
    output: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/<arm>-s<seed>")] = None,
    student: Annotated[Path | None, typer.Option(help="Where the student goes.", show_default="a folder in the run's")] = None,
    set_: Set = None,
    dry_run: DryRun = False,
    shared_weights: SharedWeights = False,
    threads: Threads = None,
) -> None:
    """Train one arm. Interrupted? The same command goes on. Many GPUs: accelerate launch -m askd_trainers.cli run ..."""
    from askd_trainers.recipe_files import load_recipe

    loaded = load_recipe(recipe, [*(set_ or []), *(["runtime.shared_weights=true"] if shared_weights else [])])
    _use_threads(threads)
    if dry_run:
        from askd_trainers.plan import make_plan

        _print_plans([make_plan(loaded)])
        return
    from askd_trainers.distil import train_recipe

    folder = output if output is not None else Path("runs") / f"{loaded.arm}-s{loaded.seed}"
    with _progress() as progress:
        made = train_recipe(loaded, folder, student=student, progress=_reporter(progress))
    out.print(f"student: {made}\nscore it with: askd-bench run --model {made}", highlight=False, soft_wrap=True)


@app.command("align-encoder")
def align_encoder(
    recipe: Annotated[Path, typer.Argument(help="A TOML file, e.g. trainers/studies/base-fast/align.toml.")],
    output: Annotated[Path | None, typer.Option(help="Folder of the run.", show_default="runs/<arm>-s<seed>")] = None,
    student: Annotated[Path | None, typer.Option(help="Where the student goes.", show_default="a folder in the run's")] = None,
    set_: Set = None,
    threads: Threads = None,
) -> None:
    """Train a smaller encoder to give its teacher's states, for a recipe of `run` to start from. Interrupted? The same command goes on."""
    from askd_trainers.encoder import EncoderRecipe, train_encoder
    from askd_trainers.recipe_files import load_recipe_of

    loaded = load_recipe_of(EncoderRecipe, recipe, set_ or [])
    _use_threads(threads)
    folder = output if output is not None else Path("runs") / f"{loaded.arm}-s{loaded.seed}"
    with _progress() as progress:
        made = train_encoder(loaded, folder, student=student, progress=_reporter(progress))
    starts = f"--set teacher={loaded.teacher} --set student.checkpoint={made}"
    out.print(f"student: {made}\nits decoder is to be trained yet: askd-train run kd {starts}", highlight=False, soft_wrap=True)


@app.command()
def study(
    file: Annotated[Path, typer.Argument(help="A study file: arms, seeds, scoring.")],
    output: Annotated[Path, typer.Option(help="Runs go to <output>/<arm>-s<seed>/, scores to <output>/results/.")] = Path("study"),
    dry_run: DryRun = False,
    threads: Threads = None,
) -> None:
    """Train all arms of a study with all seeds, then score every student. Interrupted? The same command goes on where it stopped."""
    from askd_trainers.study import load_study, plan_runs, run_study

    loaded = load_study(file)
    runs = plan_runs(loaded, file.parent, output)
    _use_threads(threads)
    if dry_run:
        from askd_trainers.plan import make_plan

        first = {run.recipe.arm: run for run in reversed(runs)}
        _print_plans([make_plan(run.recipe) for run in reversed(first.values())], counts=[r.recipe.arm for r in runs])
        return
    with _progress() as progress:
        run_study(
            loaded,
            runs,
            output,
            announce=lambda text: err.print(text, highlight=False),
            threads=threads,
            progress=_reporter(progress),
        )
    out.print(f"students: {output}/*/\nresults: {output / 'results'}", highlight=False)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="A study file with [sweep] learning_rates.")],
    output: Annotated[Path, typer.Option(help="Trials go to <output>/<arm>-lr<rate>/, the table to <output>/sweep.md.")] = Path("sweep"),
    threads: Threads = None,
) -> None:
    """Try learning rates on dev, the same ones for every arm of a study. Interrupted? The same command goes on where it stopped."""
    from askd_trainers.study import load_study
    from askd_trainers.sweep import chosen, plan_sweep, run_sweep

    trials = plan_sweep(load_study(file), file.parent, output)
    _use_threads(threads)
    with _progress() as progress:
        done = run_sweep(trials, output, announce=lambda text: err.print(text, highlight=False), progress=_reporter(progress))
    best = ", ".join(f"{arm} {rate:g}" for arm, rate in chosen(done).items())
    out.print(f"{output / 'sweep.md'}\nbest on dev: {best or 'none: every trial diverged'}", highlight=False, soft_wrap=True)


@app.command()
def average(
    student: Annotated[Path, typer.Argument(help="A student's folder, as `run` leaves it.")],
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    shares: Annotated[str, typer.Option(help="Shares of the starting weights to try, 0 to 1, separated by commas.")] = "0,0.25,0.5,0.75",
    start: Annotated[str | None, typer.Option(help="An earlier checkpoint, where training had several stages.")] = None,
    threads: Threads = None,
) -> None:
    """Average a student with the weights that its training started from; the share that is best on dev is kept."""
    try:
        numbers = [float(part) for part in shares.split(",")]
    except ValueError:
        raise UserError(f"shares: {shares!r} is no list of numbers (allowed: e.g. 0,0.25,0.5)") from None
    _use_threads(threads)
    from askd_trainers.average import average_with_start

    average_with_start(student, out_folder, numbers, start=start, announce=lambda text: err.print(text, highlight=False))
    out.print(f"student: {out_folder}\nscore it with: askd-bench run --model {out_folder}", highlight=False, soft_wrap=True)


@app.command()
def recipes() -> None:
    """List the bundled recipes."""
    from rich.table import Table

    from askd_trainers.objective.planned import planned_mass
    from askd_trainers.recipe_files import RECIPES_DIR, load_recipe

    table = Table("recipe", "what it is", "mass of its terms")
    for path in sorted(RECIPES_DIR.glob("[!_]*.toml")):
        masses = ", ".join(f"{name.removesuffix('_mass')} {mass:.2f}" for name, mass in planned_mass(load_recipe(path.stem)).items())
        table.add_row(path.stem, path.read_text("utf-8").splitlines()[0].lstrip("# "), masses)
    out.print(table)


def main() -> None:
    """Run the command line; bad input is one line on standard error and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False))
    except UserError as error:
        _fail(str(error), 2)
    except _USAGE_ERROR as error:
        _fail(error.format_message(), 2)
    except OSError as error:  # a full disk, wherever it is met
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}", 2)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted; the same command goes on where it stopped", 130)


def _fail(message: str, code: int) -> None:
    err.print(f"error: {' '.join(message.split())}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(code)


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        if threads < 1:
            raise UserError(f"threads: {threads} is out of range (allowed: 1 or more)")
        import torch

        torch.set_num_threads(threads)


def _progress() -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err)


def _reporter(progress: "Progress"):  # type: ignore[no-untyped-def]
    tasks: dict[str, int] = {}

    def report(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = progress.add_task(name, total=total)
        elif done < progress.tasks[tasks[name]].completed:  # the next run of a study
            progress.reset(tasks[name], total=total)  # type: ignore[arg-type]
        progress.update(tasks[name], completed=done, total=total)  # type: ignore[arg-type]

    return report


def _print_plans(plans: "list[Plan]", counts: list[str] | None = None) -> None:
    from rich.table import Table

    table = Table(
        "arm", "runs", "steps (phase A)", "batch", "trained / all parameters", "examples", "speech", "precision", "step A / B", "time a run"
    )
    for plan in plans:
        runs = counts.count(plan.arm) if counts else 1
        second = f" / {plan.step_b_s:.2f} s" if plan.step_b_s is not None else ""
        table.add_row(
            plan.arm,
            str(runs),
            f"{plan.steps} ({plan.phase_a_steps})",
            str(plan.batch_size),
            f"{plan.trained_parameters / 1e6:.1f} M / {plan.parameters / 1e6:.1f} M",
            str(plan.examples),
            f"{plan.hours:.2f} h, {plan.speakers} speakers",
            plan.precision,
            f"{plan.step_a_s:.2f} s{second}",
            f"{plan.total_s / 60:.0f} min",
        )
    out.print(table)
    clips = max(plan.clips_to_encode for plan in plans)
    out.print(f"Encoder states to compute first, once for all runs: {clips} clips, {clips * plans[0].encode_s / 60:.0f} min.", style="dim")


if __name__ == "__main__":
    main()
