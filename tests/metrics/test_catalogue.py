"""Whatever figure is shown is in the catalogue, once, with a label and a meaning."""

import bz2
import csv
import json

import pytest
from simulated import ROOT

from askd_bench.metrics import groups, inheritance, significance, summary
from askd_bench.metrics.catalogue import METRICS, RESCALED
from askd_bench.metrics.metric import Metric, Quantity
from askd_bench.report.listings import metrics

RESULTS = ROOT / "reference_results"


def test_a_name_is_given_once_and_leads_to_its_figure() -> None:
    assert all(METRICS[name].name == name for name in METRICS)
    for one in (*summary.METRICS, *inheritance.METRICS, *inheritance.VS_CONTROL, *significance.QUANTITIES, *groups.QUANTITIES):
        assert METRICS[one.name] is one


def test_everything_says_what_it_is() -> None:
    for one in METRICS.values():
        assert one.label.strip(), one.name
        assert one.meaning, one.name
        assert one.unit, one.name
        assert "mce" not in one.name.split("_"), "it means two things"
        assert "|" not in one.label + one.meaning, "a table of Markdown holds it"


def test_every_figure_of_a_stored_summary_is_listed() -> None:
    stored = json.loads(bz2.decompress((RESULTS / "whisper-tiny.en/noisy-v1/dialogue/summary.json.bz2").read_bytes()))
    shown = {name for table in (*stored["conditions"].values(), stored["pooled"]) for name in table["metrics"]}
    assert len(shown) > 50
    assert shown <= METRICS.keys()
    assert stored["pooled"]["after_temperature_scaling"].keys() <= set(RESCALED)
    assert {f"{name}_scaled" for name in RESCALED} <= METRICS.keys()


def test_every_figure_of_the_leaderboard_is_listed() -> None:
    with (RESULTS / "leaderboard.csv").open(encoding="utf-8") as file:
        header = next(csv.reader(file))
    with_intervals = {name.removesuffix("_low") for name in header if name.endswith("_low")}
    assert len(with_intervals) > 15
    assert with_intervals <= METRICS.keys()


def test_the_command_lists_all_of_them() -> None:
    listed = metrics()
    assert [record["metric"] for record in listed] == list(METRICS)
    assert {"wer_capped", "confident_substitutions", "rank"} <= {record["metric"] for record in listed}


@pytest.mark.parametrize(
    ("given", "label", "long_label", "long_digits"),
    [
        ({}, "some name", "some name", 1),
        ({"label": "n."}, "n.", "n.", 1),
        ({"label": "n.", "long_label": "names", "digits": 2}, "n.", "names", 2),
        ({"digits": 2, "long_digits": 0}, "some name", "some name", 0),
    ],
)
def test_what_is_not_given_follows_from_what_is(given: dict, label: str, long_label: str, long_digits: int) -> None:
    one = Quantity(name="some_name", meaning="m", unit="u", **given)
    assert (one.label, one.long_label, one.long_digits, one.key) == (label, long_label, long_digits, "some_name")


def test_a_part_of_a_figure_has_its_formula_and_a_name_of_its_own() -> None:
    wer, clean = METRICS["wer"], METRICS["wer_clean"]
    assert isinstance(wer, Metric)
    assert isinstance(clean, Metric)
    assert clean.formula is wer.formula
    assert (clean.factor, clean.unit, clean.better) == (wer.factor, wer.unit, wer.better)
    assert clean.label != wer.label
