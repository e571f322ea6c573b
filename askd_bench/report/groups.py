"""Error rates by group of speakers, condition by condition: whom does a model serve worse, and where does noise make it worse still."""

from collections.abc import Mapping
from typing import Literal

import pandas as pd
from rich import box
from rich.table import Table

from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.groups import GroupTable, group_table
from askd_bench.metrics.scoring import score
from askd_bench.results import Result
from askd_bench.text import DEFAULT_NORMALISER

By = Literal["group", "speaker"]


def group_tables(result: Result, normalizer: str = DEFAULT_NORMALISER, by: By = "group") -> dict[str, GroupTable]:
    """Return condition -> table by group (or by speaker), over the "test" utterances, in the order of the rows."""
    scored = score(result.rows(), normalizer=normalizer)
    reported = scored.select(~scored.dev)
    return {str(name): group_table(reported.select(reported.condition == name), by=by) for name in dict.fromkeys(reported.condition)}


def groups_frame(tables: Mapping[str, GroupTable]) -> pd.DataFrame:
    """Return one row for each condition and group: `condition, group, utterances, speakers, wer, wer_low, wer_high, log_ratio_to_rest`."""
    return pd.DataFrame(
        [
            {
                "condition": condition,
                "group": row.name,
                "utterances": row.utterances,
                "speakers": row.speakers,
                "wer": row.wer.value,
                "wer_low": row.wer.low,
                "wer_high": row.wer.high,
                "log_ratio_to_rest": row.log_ratio_to_rest.value,
            }
            for condition, table in tables.items()
            for row in table.groups
        ]
    )


def groups_view(result: Result, normalizer: str = DEFAULT_NORMALISER, by: By = "group") -> Table:
    """Return a table with a row a group and a column a condition; the lower rows compare the groups."""
    corpus = result.signature().corpus
    meaning = corpus.group_is if by == "group" else corpus.speaker_is
    tables = group_tables(result, normalizer, by)
    view = Table(
        title=f"WER % by {by}: {meaning}, corpus {corpus.name}",
        box=box.SIMPLE_HEAVY,
        title_justify="left",
        pad_edge=False,
        caption="[95 % interval]; –: too few to tell. Log-ratio: ln(worst / best), corrected for the bias of picking extremes.",
        caption_justify="left",
    )
    view.add_column(by, no_wrap=True)
    view.add_column("utt. (speakers)", justify="right")
    for condition in tables:
        view.add_column(condition, justify="right", no_wrap=True)
    first = next(iter(tables.values()))
    for position, row in enumerate(first.groups):
        last = position == len(first.groups) - 1
        cells = [_cell(next((r.wer for r in table.groups if r.name == row.name), None), 100, 1) for table in tables.values()]
        view.add_row(row.name, f"{row.utterances} ({row.speakers})", *cells, end_section=last)
    view.add_row(f"worst {by}", "", *(table.worst or "–" for table in tables.values()))
    view.add_row("spread, points", "", *(_cell(table.spread, 100, 1) for table in tables.values()))
    view.add_row("log-ratio worst / best", "", *(_cell(table.log_ratio, 1, 2) for table in tables.values()))
    return view


def _cell(estimate: Estimate | None, factor: float, digits: int) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    text = f"{factor * estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{factor * estimate.low:.{digits}f}, {factor * estimate.high:.{digits}f}]"
