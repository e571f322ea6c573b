import dataclasses
import tomllib

import numpy as np
import pytest
from simulated import ROOT, references, simulate

from askd_bench.errors import UserError
from askd_bench.metrics import robustness, srb_difficulty
from askd_bench.metrics.bootstrap import NO_VARIATION, clusters_of, resample
from askd_bench.metrics.scoring import score

CONDITIONS = (("clean", 0.05), ("noise-20", 0.08), ("noise-10", 0.15), ("noise-0", 0.4))


def estimates(rows, condition: str) -> dict:
    scored = score(rows)
    resampled = resample(robustness.statistics(scored, condition), clusters_of(scored), resamples=300)
    return {metric.name: metric.estimate(resampled) for metric in robustness.METRICS}


def wer(rows, condition: str) -> float:
    part = score([row for row in rows if row.condition == condition])
    return part.errors.sum() / part.reference_words[~part.failed].sum()


def test_degradation_is_the_difference_and_its_interval_is_paired() -> None:
    rows = list(simulate(references(150), CONDITIONS))
    got = estimates(rows, "noise-0")
    clean = wer(rows, "clean")
    assert got["degradation"].value == pytest.approx(wer(rows, "noise-0") - clean)
    assert got["relative_degradation"].value == pytest.approx(wer(rows, "noise-0") / clean - 1)
    assert got["degradation"].low < got["degradation"].value < got["degradation"].high
    # the same hypotheses under another name: paired, nothing varies, and an interval of no width would claim too much
    copies = [dataclasses.replace(row, condition="copy") for row in rows if row.condition == "clean"]
    same = estimates([*rows, *copies], "copy")["degradation"]
    assert (same.value, same.low, same.high) == (0, None, None)
    assert same.reason == NO_VARIATION


def test_only_utterances_transcribed_in_both_count() -> None:
    rows = list(simulate(references(60), CONDITIONS[:2]))
    gone = {row.utterance for row in rows if row.condition == "noise-20"}
    lost = sorted(gone)[:20]
    broken = [
        dataclasses.replace(r, hypothesis=None, error="x", words=(), word_tokens=(), token_logprobs=(), tempered_logprobs={})
        if r.condition == "clean" and r.utterance in lost
        else r
        for r in rows
    ]
    kept = [row for row in rows if row.utterance not in lost]
    assert estimates(broken, "noise-20")["degradation"].value == pytest.approx(wer(kept, "noise-20") - wer(kept, "clean"))
    alone = [row for row in rows if row.condition != "clean"]
    assert estimates(alone, "noise-20")["degradation"].reason == "no utterance has a hypothesis both here and in clean"


def test_severity_area_is_a_trapezoid() -> None:
    rows = list(simulate(references(80), CONDITIONS))
    scored = score(rows)
    severities = {"noise-20": 20.0, "noise-10": 10.0, "noise-0": 0.0}
    got = robustness.severity_area(scored, severities, clusters_of(scored), resamples=200)
    expected = np.trapezoid([wer(rows, "noise-0"), wer(rows, "noise-10"), wer(rows, "noise-20")], [0, 10, 20]) / 20
    assert got.value == pytest.approx(expected)
    assert got.low < got.value < got.high
    with pytest.raises(UserError, match="noise-30 are not among"):
        robustness.severity_area(scored, {"noise-30": 30, "noise-0": 0}, clusters_of(scored), resamples=10)
    with pytest.raises(UserError, match="two different values"):
        robustness.severity_area(scored, {"noise-20": 1, "noise-0": 1}, clusters_of(scored), resamples=10)


def test_mean_corruption_error_ratio() -> None:
    mine = {"white-0": 0.4, "white-10": 0.2, "babble-0": 0.9}
    other = {"white-0": 0.5, "white-10": 0.3, "babble-0": 0.6}
    by_family = robustness.mean_corruption_error_ratio(
        mine, other, families={"white-0": "white", "white-10": "white", "babble-0": "babble"}
    )
    assert by_family.value == pytest.approx((0.6 / 0.8 + 0.9 / 0.6) / 2)
    assert by_family.n == 2
    assert robustness.mean_corruption_error_ratio(mine, mine).value == pytest.approx(1)
    assert "same conditions: babble-0" in robustness.mean_corruption_error_ratio(mine, {"white-0": 0.5, "white-10": 0.3}).reason
    assert robustness.mean_corruption_error_ratio({"a": None}, {"a": 0.1}).reason == "no word error rate under a"
    assert "makes no error" in robustness.mean_corruption_error_ratio({"a": 0.1}, {"a": 0.0}).reason
    assert robustness.mean_corruption_error_ratio({}, {}).value is None


def test_normalised_degradation() -> None:
    assert robustness.werd({}).value is None
    # a gain counts as none
    assert robustness.werd({"a": 0.1, "b": -0.4}).value == pytest.approx(5)
    assert robustness.nwerd({"a": 0.1, "b": 0.4, "c": -0.1}, {"a": 2.0, "b": 4.0, "c": 1.0}).value == pytest.approx((10 / 2 + 40 / 4) / 3)
    assert robustness.nwerd({"a": 0.1}, {}).reason == "no difficulty for a"
    assert robustness.nwerd({"a": 0.1}, {"a": 0}).value is None


def test_difficulty_table_reproduces_the_published_scores() -> None:
    """The benchmark's notebook prints these averages over its corpora; the lines through them must give the extremes it prints too."""
    dnsmos, pesq = (lambda x, line=line: line[0] + line[1] * x for line in (srb_difficulty._DNSMOS_LINE, srb_difficulty._PESQ_LINE))
    assert dnsmos(3.345558) == pytest.approx(41.172970, abs=2e-3)  # chorus
    assert dnsmos(2.501728) == pytest.approx(94.153960, abs=2e-3)  # gnoise
    assert pesq(1.687669) == pytest.approx(71.210413, abs=2e-3)
    assert pesq(4.624333) == pytest.approx(2.317726, abs=2e-3)  # the least: treble 1 on TED-LIUM
    table = srb_difficulty.difficulties()
    suite = tomllib.loads((ROOT / "suites" / "srb.toml").read_text())
    assert set(table) == {condition["id"] for condition in suite["conditions"]} - {"clean"}
    assert min(table.values()) > 0
    # more noise, a lower low-pass, a faster voice: harder
    for name in ("gnoise", "music", "gain", "lowpass", "highpass", "tremolo", "treble", "bass", "resample", "phaser", "speedup"):
        values = [table[f"{name}-{severity}"] for severity in (1, 2, 3, 4)]
        assert values == sorted(values), name


def test_worst_condition() -> None:
    assert robustness.worst_condition({"b": 0.3, "a": 0.3, "c": None}) == "a"
    assert robustness.worst_condition({"c": None}) is None
