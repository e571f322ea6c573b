"""What a reader has to know beside the figures: what was run, whom the intervals speak for, how confidences were scaled."""

import json
from dataclasses import dataclass

from askd_bench.report.page.sections import Entry, Section
from askd_bench.report.page.tradeoff_charts import rtfx_of
from askd_bench.report.summaries import scaling_sentence


@dataclass(frozen=True, slots=True)
class Run:
    """How one model was run, as text; `signature` is the whole of it as JSON."""

    model: str
    style: int
    facts: tuple[tuple[str, str], ...]
    signature: str


def runs(section: Section) -> list[Run]:
    """Return how each model was run."""
    return [_run(entry) for entry in section.entries]


def notes(section: Section) -> list[str]:
    """Return what holds for all figures of a section."""
    first = section.entries[0].summary
    found = [
        f"Normaliser {first['normalizer']['name']} v{first['normalizer']['version']}; "
        f"confidence of a word: {first['word_confidence']} of its tokens.",
        *dict.fromkeys(_intervals(entry) for entry in section.entries),
        *(f"{entry.name}: {scaling_sentence(entry.summary)}" for entry in section.entries),
    ]
    if first["split"] == "dev":
        found.append("These are dev utterances: such figures are for choosing settings, not for claims.")
    if section.suite is None:
        found.append("The suite is not at hand as it was run: axes have no names, and nothing can be rendered again.")
    return found


def _run(entry: Entry) -> Run:
    model, signature = entry.signature.model, entry.signature
    speed = rtfx_of(entry)
    decoding = ", ".join(f"{key} {value}" for key, value in (model.decoding).items())
    facts = (
        ("parameters, millions", _millions(model.parameters, 1)),
        ("weights, MB", _millions(model.weights_bytes, 0)),
        ("MMAC per second of audio", _millions(model.macs_per_second, 0)),
        ("decoding", decoding),
        (
            "computed with",
            f"{model.dtype} on {model.device}, {model.threads} threads, batch {signature.batch_size}",
        ),
        ("RTFx", f"{speed['value']:.1f}" if isinstance(speed["value"], float) else f"– ({speed.get('reason')})"),
        ("weights' sha256", model.weights_sha256[:12]),
        ("askd-bench", signature.versions.get("askd-bench", "–")),
        ("result directory", str(entry.result.path)),
    )
    return Run(entry.name, entry.style, facts, json.dumps(signature.as_dict(), indent=1, ensure_ascii=False))


def _millions(value: object, digits: int) -> str:
    return f"{value / 1e6:.{digits}f}" if isinstance(value, int | float) else "–"


def _intervals(entry: Entry) -> str:
    about = entry.summary["intervals"]
    return (
        f"Intervals: {100 * about['level']:g} %, bootstrap over {about['clusters']} {about['resampled']}s "
        f"({about['resamples']} resamples), so they speak for {about['speaks_for']}."
    )
