"""Commands that read what there is, suites and results, and need no model."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from askd_bench.commands.declared import argument, option
from askd_bench.errors import UserError
from askd_bench.files import to_json
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.tables.terminal import console, terminal_table
from askd_bench.text import DEFAULT_NORMALISER

out = console()
err = console(stderr=True)


AS_JSON = option("Print the same as one JSON document.", "--json")


class By(StrEnum):
    """What `groups` can go by."""

    group = "group"
    speaker = "speaker"


class Listed(StrEnum):
    """What `list` can list."""

    suites = "suites"
    conditions = "conditions"
    corpora = "corpora"
    models = "models"
    metrics = "metrics"


def list_(
    what: Annotated[Listed, argument("What to list.")],
    suite: Annotated[str, option("Whose conditions.")] = "noisy",
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """List suites, a suite's conditions, corpora, models or metrics."""
    from askd_bench.report.listings import LISTINGS, conditions, listing_table

    records = conditions(suite) if what is Listed.conditions else LISTINGS[what.value]()
    if as_json:
        _print_json(records)
    else:
        out.print(terminal_table(listing_table(records)))


def validate(suite: Annotated[Path, argument("A suite file.")]) -> None:
    """Check a suite file: every key, value and condition; say what is wrong in one line."""
    from askd_bench.suites import load_suite

    loaded = load_suite(suite)
    out.print(
        f"{suite}: valid. {loaded.label}, {len(loaded.conditions)} conditions ({len(loaded.select())} in the default grid), "
        f"fingerprint {loaded.fingerprint[:16]}",
        highlight=False,
    )


def score(
    result_dir: Annotated[Path, argument("A result directory of `run`.")],
    normalizer: Annotated[str, option("Text normaliser, or all.")] = DEFAULT_NORMALISER,
    as_json: Annotated[bool, AS_JSON] = False,
) -> None:
    """Compute the summary again from the rows, without a model, and print the table."""
    from askd_bench.report.score import score as summarise
    from askd_bench.report.score import score_table

    if as_json:
        _print_json(summarise(result_dir, normalizer))
    else:
        out.print(score_table(result_dir, normalizer))


def groups(
    result_dir: Annotated[Path, argument("A result directory of `run`.")],
    by: Annotated[By, option("The corpus' groups (e.g. accents), or its speakers.")] = By.group,
    normalizer: Annotated[str, option("Text normaliser.")] = DEFAULT_NORMALISER,
    as_json: Annotated[bool, option("Print a record a condition and group as JSON.", "--json")] = False,
) -> None:
    """Show error rates by group of speakers: worst group, spread and log-ratio, with intervals, condition by condition."""
    from askd_bench.report.groups import group_records, groups_view
    from askd_bench.results import Result

    if as_json:
        _print_json(group_records(Result.open(result_dir), normalizer, by.value))
    else:
        out.print(groups_view(Result.open(result_dir), normalizer, by.value))


def compare(
    student: Annotated[Path, argument("A student's result directory.")],
    teacher: Annotated[Path, argument("Its teacher's, on the same suite and corpus.")],
    control: Annotated[Path | None, option("Of a student trained on the truth alone, without the teacher.")] = None,
    normalizer: Annotated[str, option("Text normaliser.")] = DEFAULT_NORMALISER,
    power: Annotated[
        float | None, option("Points of capped WER: how many recordings show this difference, four times in five?", metavar="DIFFERENCE")
    ] = None,
) -> None:
    """Compare a student with its teacher on common clips: paired tests of errors, inherited errors, blind spots handed down and new."""
    from askd_bench.report.compare import compare as compare_results
    from askd_bench.report.compare import comparison_view, decoded_differently, left_out
    from askd_bench.report.winner import check_power

    if power is not None:
        check_power(power)
    compared = compare_results(student, teacher, control=control, normalizer=normalizer)
    lonely = left_out(student, teacher, control=control)
    out.print(comparison_view(compared, decoded_differently(student, teacher, control=control), lonely, power=power))


def export(
    format: Annotated[str, typer.Argument(help="trn, stm, ctm or seglst, for other scorers; parquet, with every field of the rows.")],
    result_dir: Annotated[Path, typer.Argument(help="A result directory of `run`.")],
    out_: Annotated[Path, typer.Option("--out", help="A folder; files of the same name are replaced.")],
    normalizer: Annotated[str, typer.Option(help="Text normaliser of the texts; none: as they are.")] = "whisper-english",
) -> None:
    """Write references and hypotheses for other scorers, a file a condition, or the rows as Parquet."""
    from askd_bench.report.export import export as write

    for path in write(format, result_dir, out=out_, normalizer=normalizer):
        out.print(f"{path}: written", markup=False, highlight=False, soft_wrap=True)


def report(
    result_dirs: Annotated[list[Path], argument("Result directories of `run`, one or several.", metavar="RESULT_DIR...")],
    out_: Annotated[Path, option("The page.", "--out")] = Path("report.html"),
    figures: Annotated[Path | None, option("A folder for the page's figures as SVG and PNG.")] = None,
    teacher: Annotated[str | None, option("Name of a model among the results: the others are compared with it.")] = None,
    control: Annotated[str | None, option("Name of a student trained on the truth alone, without the teacher.")] = None,
    gallery: Annotated[int, option("Utterances a section to listen to, with what each model wrote; 0 for none.")] = 6,
    seed: Annotated[int, option("Of the choice of these utterances.")] = 0,
    latency: Annotated[
        list[Path] | None, option("What `bench --seconds ... --json` printed; may be repeated: they share a figure.")
    ] = None,
    suite: Annotated[list[Path] | None, option("File of a suite of your own that was run; may be repeated.")] = None,
    noise_dir: Annotated[Path | None, option("Your own noise recordings, where the run had some.")] = None,
    normalizer: Annotated[str, option("Text normaliser.")] = DEFAULT_NORMALISER,
) -> None:
    """Write one HTML page that needs nothing else: tables, figures, and a gallery to listen to, models side by side."""
    from askd_bench.report.page.build import report as build

    done = build(
        result_dirs,
        out=out_,
        figures=figures,
        teacher=teacher,
        control=control,
        gallery=gallery,
        seed=seed,
        latency=latency,
        suite=suite,
        noise_dir=noise_dir,
        normalizer=normalizer,
    )
    drawn = f"; {len(done.figures)} files of figures in {figures}" if figures is not None else ""
    out.print(f"{done.page}: written, {done.page.stat().st_size / 1e6:.1f} MB{drawn}", highlight=False, markup=False, soft_wrap=True)


def leaderboard(
    results: Annotated[
        Path, option("A folder of <model>/<suite>-v<version>/<corpus>/.", show_default="the packaged results")
    ] = REFERENCE_RESULTS_DIR,
    check: Annotated[bool, option("Write nothing; name the files that are not what the rows say, and how.", "--check")] = False,
    comment_for: Annotated[
        list[Path] | None, option("Write nothing; print Markdown on where this new result stands; may be repeated.")
    ] = None,
) -> None:
    """Write LEADERBOARD.md, leaderboard.csv, leaderboard.tex and index.html from the rows of all results of a folder."""
    from askd_bench.report.leaderboard import files, submission

    if check and comment_for:
        raise UserError("check: cannot be combined with comment_for (allowed: one of the two)")
    if comment_for:
        typer.echo(submission.comment(comment_for, results))
        return
    if check:
        differing = files.check(results)
        for one in differing or [f"{results}: every file is what the rows say"]:
            out.print(one, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1 if differing else 0)
    out.print(f"{', '.join(map(str, files.leaderboard(results)))}: written", markup=False, highlight=False, soft_wrap=True)


def _print_json(content: object) -> None:
    typer.echo(to_json(content), nl=False)
