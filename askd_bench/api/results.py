"""Results that show themselves: as a pandas table, as matplotlib figures, and as a table in a notebook."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from askd_bench.metrics import comparison
from askd_bench.metrics.estimate import Estimate
from askd_bench.metrics.summary import POOLED
from askd_bench.report.comparison_tables import Student, comparison_tables
from askd_bench.report.frames import condition_table
from askd_bench.report.headline import title_of
from askd_bench.report.summaries import headline_table
from askd_bench.results import Result
from askd_bench.signature import Signature
from askd_bench.tables.html import notebook_html
from askd_bench.types import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from askd_bench.report.page.charts import Chart
    from askd_bench.report.page.sections import Section


class Plots(tuple["Figure", ...]):
    """Figures in order; a notebook shows them all."""

    def _repr_html_(self) -> str:
        from askd_bench.report.page.drawing import svg_of

        return "".join(map(svg_of, self))


class Drawable(ABC):
    """Result directories of which there is something to draw: the figures of `askd-bench report`, made from the rows.

    Models that heard the same speech stand side by side; each suite and corpus has figures of its own.
    """

    @property
    @abstractmethod
    def paths(self) -> Sequence[Path]:
        """The result directories."""

    @property
    @abstractmethod
    def normalizer(self) -> str:
        """The text normaliser of the figures."""

    def plot_errors(self) -> Plots:
        """Draw word error rates against severity, or by condition; of sounds without a word, the words invented."""
        from askd_bench.report.page.severity_charts import error_charts

        return self._plots(error_charts)

    def plot_confident_errors(self) -> Plots:
        """Draw wrong words held with high confidence in the same way."""
        from askd_bench.report.page.severity_charts import confident_error_charts

        return self._plots(confident_error_charts)

    def plot_confidence_thresholds(self) -> Plots:
        """Draw wrong words, and the share of substitutions, held with a confidence above each threshold, on clean speech and in the worst
        condition.
        """
        from askd_bench.report.page.confidence_charts import threshold_charts

        return self._plots(threshold_charts)

    def plot_reliability(self) -> Plots:
        """Draw how often words of each confidence are right, on clean speech and in the worst condition."""
        from askd_bench.report.page.confidence_charts import reliability_charts

        return self._plots(reliability_charts)

    def plot_risk_coverage(self) -> Plots:
        """Draw how many of the surest words are wrong, on clean speech and in the worst condition."""
        from askd_bench.report.page.confidence_charts import risk_charts

        return self._plots(risk_charts)

    def _plots(self, charts: "Callable[[Section], list[Chart]]") -> Plots:
        from askd_bench.report.page.drawing import figure_of
        from askd_bench.report.page.sections import open_sections

        sections = open_sections(self.paths, normalizer=self.normalizer)
        return Plots(figure_of(chart) for section in sections for chart in charts(section))


@dataclass(frozen=True)
class RunResult(Drawable):
    """One model's result on one corpus.

    Attributes:
        path: of the result directory.
        signature: everything that may change a row.
        summary: all figures, by condition and pooled; empty for a shard, whose figures would not be those of a run.
    """

    path: Path
    signature: Signature
    summary: dict[str, Any]

    @classmethod
    def of(cls, result: Result, summary: dict[str, Any] | None = None) -> Self:
        """Return what is stored in a directory, with another summary if one is given."""
        return cls(result.path, result.signature(), summary or (result.current_summary() if result.summary_file() else {}))

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.signature.model.id

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return self.signature.corpus.name

    @property
    def paths(self) -> Sequence[Path]:
        """The result directory."""
        return [self.path]

    @property
    def normalizer(self) -> str:
        """The text normaliser of the figures."""
        return str(self.summary["normalizer"]["name"])

    @property
    def failed(self) -> int:
        """How many recordings have no hypothesis; they are in no figure."""
        return int(self.summary[POOLED]["n_errors"]) if self.summary else 0

    def rows(self) -> Iterator[Row]:
        """Yield the rows, as they are stored."""
        return Result(self.path).rows()

    def table(self) -> pd.DataFrame:
        """Return a row a condition, the last one pooled.

        The columns are `condition`, `utterances`, `failed`, and of each metric `NAME, NAME_low, NAME_high` (NaN where there is no figure);
        of those at the fitted temperature `NAME_scaled`.
        """
        return condition_table(self.summary)

    def _repr_html_(self) -> str:
        title = title_of(Result(self.path))
        return notebook_html([headline_table(self.summary, title=title)]) if self.summary else f"<p>{escape(title)}</p>"


class Results(tuple[RunResult, ...], Drawable):
    """What a run left: one result for each corpus and model."""

    @property
    def paths(self) -> Sequence[Path]:
        """The result directories."""
        return [one.path for one in self]

    @property
    def normalizer(self) -> str:
        """The text normaliser of the figures."""
        return self[0].normalizer

    def table(self) -> pd.DataFrame:
        """Return the tables of all results below each other, with `model` and `corpus` before their columns."""
        return pd.concat([_named(one) for one in self], ignore_index=True)

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self)


@dataclass(frozen=True, kw_only=True)
class Comparison(comparison.Comparison):
    """A student beside its teacher, and beside a control where there is one; see `metrics.comparison`."""

    @classmethod
    def of(cls, compared: comparison.Comparison) -> Self:
        """Return a comparison, with views."""
        return cls(**{one.name: getattr(compared, one.name) for one in fields(compared)})

    def table(self) -> pd.DataFrame:
        """Return a row a condition, the last one pooled.

        The columns are `condition`, `utterances`, `left_out`, `wer_STUDENT`, `wer_TEACHER`...; `difference`, `difference_low`,
        `difference_high`, `p_holm`, `verdict`, and with a control the same as `control_difference`...; each metric of inheritance with its
        interval; and how many words were `handed_down`, `changed`, `mended`, `new` and `both_right`.
        """
        return pd.DataFrame([_compared(one) for one in (*self.conditions, self.pooled)])

    def _repr_html_(self) -> str:
        return notebook_html(comparison_tables([Student("student", self)], [row.condition for row in self.conditions]))


def _compared(one: comparison.ConditionComparison) -> dict[str, Any]:
    record: dict[str, Any] = {"condition": one.condition, "utterances": one.utterances, "left_out": one.left_out}
    for system, wer in one.wer.items():
        record |= _interval(f"wer_{system}", wer)
    for prefix, versus in (("", one.versus_teacher), ("control_", one.versus_control)):
        if versus is not None:
            record |= _interval(f"{prefix}difference", versus.difference.difference)
            record |= {f"{prefix}p_holm": versus.p_holm, f"{prefix}verdict": versus.verdict}
    for metric, estimate in one.inheritance.items():
        record |= _interval(metric, estimate)
    return record | asdict(one.blind_spots)


def _interval(name: str, estimate: Estimate) -> dict[str, float | None]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _named(result: RunResult) -> pd.DataFrame:
    table = result.table()
    table.insert(0, "model", result.model)
    table.insert(1, "corpus", result.corpus)
    return table
