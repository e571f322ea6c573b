import dataclasses
import importlib.util
import json
import random

import pytest
from simulated import ROOT, references, simulate

from askd_bench.errors import UserError
from askd_bench.metrics.summary import METRICS, summarise
from askd_bench.types import Row

CONDITIONS = (("clean", 0.05), ("noise-0", 0.3))
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(simulate(references(150), CONDITIONS))


@pytest.fixture(scope="module")
def summary(rows: list[Row]) -> dict:
    return summarise(rows, resamples=200)


def same(a: object, b: object, where: str = "") -> None:
    """Equal to 1e-12 where the machine is the same; summation order may cost the last of six digits elsewhere."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for k, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{where}/{k}")
    elif isinstance(a, float):
        assert a == pytest.approx(b, abs=2e-6), where
    else:
        assert a == b, where


def test_golden() -> None:
    spec = importlib.util.spec_from_file_location("make_metrics_golden", GOLDEN / "make_metrics_golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in module.golden().items():
        same(json.loads(json.dumps(value)), json.loads((GOLDEN / name).read_text()), name)


def test_every_metric_of_one_result_is_there(summary: dict) -> None:
    names = {metric.name for metric in METRICS}
    assert set(summary["conditions"]["noise-0"]["metrics"]) == names
    assert set(summary["pooled"]["metrics"]) == names - {"degradation", "relative_degradation"}


def test_null_has_a_reason_and_nothing_is_nan(summary: dict) -> None:
    json.dumps(summary, allow_nan=False)
    for table in (*summary["conditions"].values(), summary["pooled"]):
        for name, estimate in table["metrics"].items():
            if estimate["value"] is None or estimate["low"] is None:
                assert estimate["reason"], name
            else:
                assert estimate["low"] <= estimate["value"] <= estimate["high"] or name.endswith("maximum_calibration_error"), name


def test_order_of_rows_does_not_matter(rows: list[Row], summary: dict) -> None:
    shuffled = random.Random(1).sample(rows, len(rows))
    same(summarise(shuffled, resamples=200), summary)


def test_rows_may_be_a_generator(rows: list[Row], summary: dict) -> None:
    assert summarise((row for row in rows), resamples=200) == summary


def test_only_test_utterances_are_reported(summary: dict) -> None:
    assert summary["split"] == "test"
    assert summary["conditions"]["clean"]["n_utterances"] == 120
    assert summary["temperature_scaling"]["temperature"] is not None
    assert summary["conditions"]["clean"]["after_temperature_scaling"]["nll"]["value"] is not None


def test_dev_only_says_so(rows: list[Row]) -> None:
    got = summarise([row for row in rows if row.split == "dev"], resamples=50)
    assert got["split"] == "dev"
    assert got["conditions"]["clean"]["after_temperature_scaling"] is None
    assert "only dev utterances" in got["temperature_scaling"]["reason"]


def test_pooled_counts_are_the_sum(summary: dict) -> None:
    parts = [table["counts"] for table in summary["conditions"].values()]
    assert summary["pooled"]["counts"] == {key: sum(part[key] for part in parts) for key in parts[0]}
    assert summary["worst_condition"] == "noise-0"


def test_conditions_of_speech_robust_bench(rows: list[Row], summary: dict) -> None:
    assert summary["speech_robust_bench"] is None
    renamed = [dataclasses.replace(row, condition={"noise-0": "gnoise-4"}.get(row.condition, row.condition)) for row in rows]
    got = summarise(renamed, resamples=50)
    degradation = got["conditions"]["gnoise-4"]["metrics"]["degradation"]["value"]
    assert got["speech_robust_bench"]["werd"]["value"] == pytest.approx(100 * degradation)
    assert got["speech_robust_bench"]["nwerd"]["value"] == pytest.approx(100 * degradation / 103.2, rel=1e-3)


def test_error_rows_are_counted(rows: list[Row]) -> None:
    broken = dataclasses.replace(rows[-1], hypothesis=None, error="x", words=(), word_tokens=(), token_logprobs=(), tempered_logprobs={})
    got = summarise([*rows[:-1], broken], resamples=50)
    assert got["conditions"]["noise-0"]["n_errors"] == 1
    pooled = got["pooled"]["metrics"]
    assert pooled["wer_failed_deleted"]["value"] > pooled["wer"]["value"]


def test_rows_without_confidences(rows: list[Row]) -> None:
    bare = [
        dataclasses.replace(r, words=(), word_tokens=(), token_logprobs=(), token_entropies=(), tempered_logprobs={}, decode_s=None)
        for r in rows
    ]
    got = summarise(bare, resamples=50)
    metrics = got["conditions"]["noise-0"]["metrics"]
    assert metrics["wer"]["value"] > 0
    assert metrics["ece"]["reason"] == "no word confidences: the model or its runtime gives none"
    assert metrics["auroc"]["value"] is None
    assert metrics["rtfx"]["value"] is None
    assert got["temperature_scaling"]["temperature"] is None
    json.dumps(got, allow_nan=False)


def test_tiny_results_survive() -> None:
    one = Row(condition="clean", utterance="u", reference="", hypothesis=None, duration_s=0.0, error="broken")
    json.dumps(summarise([one], resamples=20), allow_nan=False)
    two = Row(condition="silence", utterance="v", reference="", hypothesis="you", duration_s=3.0)
    got = summarise([one, two], resamples=20)
    assert got["conditions"]["silence"]["metrics"]["invented_words_per_minute"]["value"] == 20
    with pytest.raises(UserError, match="rows: there are none"):
        summarise([])


def test_aggregations_differ_where_words_have_several_tokens(rows: list[Row], summary: dict) -> None:
    product = summarise(rows, aggregation="product", resamples=50)
    assert product["word_confidence"] == "product"
    assert product["pooled"]["metrics"]["overconfidence_gap"]["value"] < summary["pooled"]["metrics"]["overconfidence_gap"]["value"]
    assert product["pooled"]["metrics"]["wer"]["value"] == summary["pooled"]["metrics"]["wer"]["value"]
