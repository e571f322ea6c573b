"""Numbers as text are the nearest of their decimals, intervals and p-values are written in one way, and nothing unprintable is left."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.metrics.catalogue import METRICS
from askd_bench.metrics.estimate import Estimate
from askd_bench.tables.format import cell, column, estimate_cell, interval, number, p_value, record_cell
from askd_bench.tables.model import DASH, MINUS
from askd_bench.tables.printable import printable

FIGURES = st.floats(-1e6, 1e6)


def read(text: str) -> float:
    return float(text.replace(MINUS, "-"))


@given(FIGURES, st.sampled_from([1.0, 100.0, 1e-6]), st.integers(0, 4), st.booleans())
def test_a_number_is_the_nearest_of_its_decimals(value: float, factor: float, digits: int, signed: bool) -> None:
    text = number(value, factor=factor, digits=digits, signed=signed)
    assert abs(read(text) - factor * value) <= 0.5 * 10**-digits * (1 + 1e-9) + 1e-9
    assert "-" not in text, "one kind of minus sign"
    assert (text[0] in "+" + MINUS) if signed else text[0] != "+"
    assert len(text.partition(".")[2]) == digits


@given(FIGURES, st.integers(0, 3))
def test_nothing_is_minus_zero(value: float, digits: int) -> None:
    text = number(value, digits=digits)
    assert not text.startswith(MINUS) or read(text) < 0


@given(FIGURES, FIGURES)
def test_an_interval_has_both_ends(low: float, high: float) -> None:
    text = interval(low, high, digits=2)
    assert [text[0], text[-1]] == ["[", "]"]
    assert [read(end) for end in text[1:-1].split(", ")] == [read(number(low, digits=2)), read(number(high, digits=2))]


@given(st.floats(0, 1))
def test_a_p_value_is_never_rounded_to_0(p: float) -> None:
    text = p_value(p)
    if p < 0.001:
        assert text == "< .001"
    else:
        assert float(text) == pytest.approx(p, abs=0.0005 + 1e-12)
        assert not text.startswith("0")


def test_no_p_value_is_a_dash() -> None:
    assert p_value(None) == DASH


def test_a_cell_is_written_as_its_quantity_says() -> None:
    one = cell(METRICS["wer"], 0.1234, 0.1, 0.2)
    assert (one.text, one.interval, one.sort, one.folded) == ("12.3", "[10.0, 20.0]", 0.1234, False)
    assert cell(METRICS["ece"], 0.1234, 0.1, 0.2).folded, "its interval is for those who ask"
    assert cell(METRICS["degradation"], 0.1234).text == "+12.3"
    assert cell(METRICS["p_holm"], 0.0312).text == ".031"
    assert str(cell(METRICS["inheritance_excess"], -0.0534, -0.06, -0.04, long=True)) == "−0.053 [−0.060, −0.040]"


def test_what_has_no_value_says_why_and_is_sorted_last() -> None:
    one = estimate_cell(METRICS["ece"], Estimate.absent("fewer than 300 words"))
    assert (one.text, one.reason, one.sort) == (DASH, "fewer than 300 words", None)
    assert estimate_cell(METRICS["ece"], None).text == DASH


@pytest.mark.parametrize("missing", [None, math.nan, np.nan, pd.NA])
def test_whatever_is_missing_in_a_frame_is_a_dash(missing: object) -> None:
    assert record_cell(METRICS["wer"], {"wer": missing}).text == DASH
    assert record_cell(METRICS["wer"], {"wer": 0.5, "wer_low": missing, "wer_high": 0.6}).interval == ""


def test_a_record_is_read_by_the_quantitys_key() -> None:
    assert record_cell(METRICS["hallucination_rate_silence"], {"hallucination_rate": 0.25}).text == "25.0"
    assert record_cell(METRICS["wer"], {"wer": 0.5, "wer_low": 0.4, "wer_high": 0.6}).interval == "[40.0, 60.0]"
    assert record_cell(METRICS["ece"], {"ece": 0.5, "ece_low": 0.4, "ece_high": 0.6}).interval == "", "no room"


def test_a_column_says_what_it_means_and_what_is_better() -> None:
    wer = column(METRICS["wer"])
    assert wer.label == "WER %"
    assert wer.meaning.endswith("; lower is better")
    assert column(METRICS["deletion_rate"], long=True).label == "deletions %"


@given(st.text())
def test_what_is_printable_stays_and_the_rest_is_marked(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(a == b or b == "\N{REPLACEMENT CHARACTER}" for a, b in zip(text, shown, strict=True))
    assert not any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in shown if c not in "\n\t")
    assert shown == text or not text.isprintable()


def test_scripts_that_need_joiners_stay_whole() -> None:
    assert printable("می‌خواهم 👩‍🔬") == "می‌خواهم 👩‍🔬"
