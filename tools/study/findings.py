"""The findings of a study as Markdown: the verdict first, then the tables it rests on; or tables alone, where a plan carries no verdict."""

from collections.abc import Mapping, Sequence

from askd_bench.metrics.bootstrap import RESAMPLES
from askd_bench.report.page.charts import Chart
from study import outcomes as o
from study import tables as t
from study.answers import answers, verdict
from study.measurements import PLAIN, Measurements
from study.plan import CLEAN, SHIFTED, TEACHER

Section = tuple[str, Sequence[str]]
_BY_DOMAIN = (o.WER, o.CAPPED, o.CONFIDENT, o.SUBSTITUTED, o.ECE, o.INHERITANCE)


def findings(measurements: Measurements, figures: Mapping[str, Chart]) -> str:
    """Return the page; `figures`: path of each figure's file, as the page should link it, and its chart."""
    several = [arm for arm, models in measurements.plan.arms.items() if len(models) > 1]
    first, second = measurements.plan.primary
    heard = [*measurements.plan.domains, SHIFTED]
    spoken = [domain for domain in heard if o.figure(measurements, [measurements.plan.teacher], domain, o.WER) is not None]
    silent = [domain for domain in heard if domain not in spoken]
    pairs = [(a, b) for i, a in enumerate(several) for b in several[:i]]
    sections: list[Section] = [
        ("Verdict", [verdict(measurements), t.verdict_table(measurements), _how(measurements)]),
        ("Answers", [_ANSWERS, answers(measurements)]),
        ("Word errors", [t.domain_table(measurements, one, spoken) for one in (o.WER, o.CAPPED, o.DEGRADATION)]),
        (
            f"{first} against {second}, by domain",
            [
                t.domain_contrasts(
                    measurements, (first, second), (o.WER, o.CAPPED, o.CONFIDENT, o.SUBSTITUTED, o.ECE, o.INHERITANCE), spoken
                )
            ],
        ),
        (
            "Over-confidence",
            [
                "Shifted speech, as decoded:",
                t.outcome_table(measurements, (o.CONFIDENT, o.SUBSTITUTED, o.GAP, o.ECE, o.DELETIONS), SHIFTED),
                "Shifted speech, at the temperature fitted on clean dev speech:",
                t.outcome_table(measurements, (o.CONFIDENT_SCALED, o.GAP_SCALED, o.ECE_SCALED), SHIFTED),
                "Clean speech:",
                t.outcome_table(measurements, (o.CONFIDENT, o.GAP, o.ECE, o.ECE_SCALED), CLEAN) if CLEAN in spoken else t.DASH,
                "Temperatures (below 1: the student was under-confident on clean dev speech and is sharpened; *: at an end of the grid):",
                t.temperature_table(measurements),
            ],
        ),
        (
            "Inheritance",
            [
                "Of the teacher's errors a student makes some in the same way (inherited), some in another way (changed), and has some "
                "right (mended); new: its errors per 100 words that the teacher has right. Inheritance is the inherited share beyond "
                "chance: 1 is a copy. Systems that have nothing to do with the teacher are above 0 too, since hard recordings are hard for "
                "everybody: the leaderboard subtracts theirs.",
                t.outcome_table(measurements, (*o.FATES, o.INHERITANCE, o.CONFIDENT_INHERITANCE), SHIFTED),
            ],
        ),
        (
            "Hallucination",
            [
                t.outcome_table(measurements, (o.INSERTIONS, o.DELETIONS), SHIFTED),
                *(t.outcome_table(measurements, (o.INVENTED,), domain) for domain in silent),
            ],
        ),
        (
            "Every pair of arms with several seeds, shifted speech",
            [
                t.contrast_table(
                    measurements,
                    [*pairs, *((arm, TEACHER) for arm in several)],
                    (o.WER, o.CAPPED, o.CONFIDENT, o.SUBSTITUTED, o.INHERITANCE),
                    SHIFTED,
                ),
                t.contrast_table(measurements, pairs, (o.ECE, o.ECE_SCALED, o.GAP, o.GAP_SCALED, o.CONFIDENT_SCALED), SHIFTED),
            ],
        ),
        (
            "Further contrasts, over the seeds both arms have, shifted speech",
            [
                t.contrast_table(
                    measurements,
                    measurements.plan.contrasts,
                    (o.WER, o.CAPPED, o.CONFIDENT, o.CONFIDENT_SCALED, o.ECE, o.ECE_SCALED, o.INHERITANCE),
                    SHIFTED,
                )
            ]
            if measurements.plan.contrasts
            else [],
        ),
        *(
            (f"{a} against {b}, by domain", [t.domain_contrasts(measurements, (a, b), (o.WER, o.CAPPED, o.CONFIDENT, o.ECE), spoken)])
            for a, b in measurements.plan.by_domain
        ),
        ("What the seed alone does", [t.seed_spread(measurements, one, SHIFTED) for one in o.PRIMARY]),
        ("Figures", [f"![{chart.title}. {chart.description}]({path})\n\n{chart.caption}" for path, chart in figures.items()]),
    ]
    return "\n\n".join(f"### {title}\n\n" + "\n\n".join(parts) for title, parts in sections if parts)


def findings_beside(measurements: Measurements) -> str:
    """Return tables without a verdict, for students of one seed or exports beside what they came from.

    Word errors by domain; the plan's differences on clean, on shifted speech, by domain; over-confidence; silence.
    """
    pairs = [*measurements.plan.contrasts, measurements.plan.primary]
    domains = [*measurements.plan.domains, SHIFTED]
    spoken = [domain for domain in domains if o.figure(measurements, [measurements.plan.teacher], domain, o.WER) is not None]
    compared = (o.WER, o.CAPPED, o.INSERTIONS, o.CONFIDENT, o.CONFIDENT_SCALED, o.ECE)
    held = (o.CONFIDENT, o.CONFIDENT_SCALED, o.GAP, o.ECE, o.ECE_SCALED, o.INHERITANCE, o.DELETIONS, o.INSERTIONS)
    parts = [
        *(t.domain_table(measurements, one, spoken) for one in (o.WER, o.CAPPED)),
        *(t.contrast_table(measurements, pairs, compared, domain) for domain in (CLEAN, SHIFTED) if domain in spoken),
        *(t.domain_contrasts(measurements, pair, _BY_DOMAIN, spoken) for pair in measurements.plan.by_domain),
        "Shifted speech, and what a temperature fitted on clean dev speech makes of it:",
        t.outcome_table(measurements, held, SHIFTED),
        t.temperature_table(measurements),
        *(
            table
            for domain in domains
            if domain not in spoken
            for table in (
                t.outcome_table(measurements, (o.INVENTED,), domain),
                t.contrast_table(measurements, pairs, (o.INVENTED,), domain),
            )
        ),
    ]
    return "\n\n".join(parts)


def _how(measurements: Measurements) -> str:
    clusters = measurements.clusters(SHIFTED)
    sums = measurements.resampled(measurements.plan.teacher, SHIFTED, PLAIN)
    assert sums is not None
    renderings, words = int(sums.total["utterances"]), int(sums.total["reference_words"])
    return (
        f"Shifted speech is {renderings:,} renderings of few recordings, {words:,} reference words counted in every rendering; 95 % "
        f"intervals over {clusters.count} clusters ({clusters.kind}), {RESAMPLES:,} resamples, for these trainings. Ranges in brackets "
        "after a figure are those of the seeds. Differences are first minus second: negative means fewer errors, fewer confident errors, "
        "less inherited. At least detectable: what would be significant four times in five after the strictest of Holm's corrections; "
        "agreement of the seeds is asked for on top."
    )


_ANSWERS = (
    "Differences with 95 % intervals, on shifted speech where nothing else is said. They are many and not corrected for it: the verdict "
    "above decides, these explain. Points above clean are fewer for a model that is wrong on clean speech already."
)
