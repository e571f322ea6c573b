"""A study's tables without its verdict, as Markdown: for students of one seed, or exports, beside what they came from."""

from askd_bench.report.study import outcomes as o
from askd_bench.report.study import tables as t
from askd_bench.report.study.measured import Measurements
from askd_bench.report.study.plan import CLEAN, SHIFTED

_BY_DOMAIN = (o.WER, o.CAPPED, o.CONFIDENT, o.SUBSTITUTED, o.ECE, o.INHERITANCE)


def findings_beside(measurements: Measurements) -> str:
    """Return the tables: word errors by domain; the plan's differences on clean, on shifted speech, by domain; over-confidence; silence."""
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
