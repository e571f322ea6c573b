import dataclasses
import math

import numpy as np
import pytest
from simulated import references, simulate

from askd_bench.metrics import word_errors
from askd_bench.metrics.groups import group_table
from askd_bench.metrics.scoring import score
from askd_bench.types import Row


def rows_of(rates: dict[str, float], n: int = 200, seed: int = 0) -> list[Row]:
    out: list[Row] = []
    for g, (group, rate) in enumerate(rates.items()):
        texts = [text for text in references() if len(text.split()) >= 4][:n]
        for row in simulate(texts, [("clean", rate)], seed=seed + g, dev_share=0):
            out.append(dataclasses.replace(row, utterance=f"{group}-{row.utterance}", speaker=f"{group}-{row.speaker}", group=group))
    return out


def test_rates_worst_spread_and_log_ratio() -> None:
    scored = score(rows_of({"north": 0.05, "south": 0.2, "": 0.1}))
    table = group_table(scored, resamples=500)
    wer = {}
    for row in table.groups:
        counts = word_errors.word_counts(scored.select(scored.group == row.name))
        wer[row.name] = counts.error_rate
        assert row.wer.value == pytest.approx(counts.error_rate)
        assert row.wer.low < row.wer.value < row.wer.high
        assert (row.utterances, row.speakers) == (200, 12)
    assert table.worst == "south"
    assert table.worst_wer.value == pytest.approx(wer["south"])
    assert table.spread.value == pytest.approx(wer["south"] - wer["north"])
    assert table.log_ratio.value == pytest.approx(math.log(wer["south"] / wer["north"]))
    assert table.log_ratio.low > 0
    assert table.without_group == 200
    assert table.groups[0].log_ratio_to_rest.value == pytest.approx(-table.groups[1].log_ratio_to_rest.value)


def test_small_groups_have_no_rate_and_do_not_compete() -> None:
    scored = score(rows_of({"big": 0.05, "other": 0.06}) + rows_of({"tiny": 0.9}, n=10))
    table = group_table(scored, resamples=100)
    tiny = next(row for row in table.groups if row.name == "tiny")
    assert tiny.wer.value is None
    assert tiny.wer.reason == "fewer than 20 utterances or 100 reference words"
    assert table.worst in ("big", "other")


def test_one_group_compares_with_nothing() -> None:
    table = group_table(score(rows_of({"only": 0.1})), resamples=100)
    assert table.worst is None
    assert table.spread.value is None
    assert "fewer than two groups" in table.spread.reason
    assert group_table(score([])).groups == ()


def test_equal_groups_differ_by_little() -> None:
    table = group_table(score(rows_of({"a": 0.1, "b": 0.1, "c": 0.1}, n=300)), resamples=500)
    assert table.spread.low == pytest.approx(0, abs=0.012)
    assert np.all([abs(row.log_ratio_to_rest.value) < 0.3 for row in table.groups])


def test_by_speaker() -> None:
    table = group_table(score(rows_of({"a": 0.1}, n=300)), by="speaker", resamples=100)
    assert len(table.groups) == 12
    assert {row.speakers for row in table.groups} == {1}
