"""The figure of latency over length is made of what `bench --seconds --json` wrote."""

from pathlib import Path

import pytest
from stub_transcriber import CARD

from askd_bench.errors import UserError
from askd_bench.evaluation.latency import line
from askd_bench.report.bench import bench_json
from askd_bench.report.page import drawing
from askd_bench.report.page.charts import table_of
from askd_bench.report.page.latency_charts import latency_charts, read_latencies


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    short = CARD.model_copy(update={"decoding": {**CARD.decoding, "audio_context": "margin 64"}})
    for name, card, fixed in (("short", short, 0.1), ("full", CARD, 1.0)):
        measured = {length: [fixed + 0.05 * length + more for more in (-0.01, 0.0, 0.01)] for length in (2.0, 10.0)}
        (tmp_path / f"{name}.json").write_text(bench_json([line(card, measured)]))
    return [tmp_path / "short.json", tmp_path / "full.json"]


def test_models_and_contexts_share_a_figure(files: list[Path]) -> None:
    [chart] = latency_charts(read_latencies(files))
    assert [series.label for series in chart.series] == ["stub, margin 64, float32", "stub, full context, float32"]
    assert "stub, margin 64, float32: 0.100 + 0.0500·s" in chart.caption
    table = table_of(chart)
    assert tuple(column.label for column in table.columns) == ("series", "clip, seconds", "p50, s", "n", "p95, s")
    assert [tuple(float(cell.text) for cell in row[1:3]) for row in table.rows] == [(2, 0.2), (10, 0.6), (2, 1.1), (10, 1.5)]
    assert b"<svg" in drawing.svg(chart)
    assert latency_charts([]) == []


def test_other_files_are_refused(files: list[Path]) -> None:
    files[0].write_text("{}")
    with pytest.raises(UserError, match=r"^latency: .*short.json"):
        read_latencies(files)
