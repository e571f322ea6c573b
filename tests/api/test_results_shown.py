"""Results as tables, figures and in notebooks: what the summaries say."""

import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import askd_bench
from askd_bench.api.results import Results, RunResult
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import Result

MODELS = ("whisper-tiny.en", "whisper-tiny.en-kd-s0")


def packaged(model: str) -> Path:
    return REFERENCE_RESULTS_DIR / model / "noisy-v1" / "prompts"


@pytest.fixture(scope="module")
def results() -> Results:
    return Results(RunResult.of(Result.open(packaged(model))) for model in MODELS)


def test_tables_hold_the_summary(results: Results) -> None:
    [result, _] = results
    table = result.table().set_index("condition")
    for name, condition in (result.summary["conditions"] | {"pooled": result.summary["pooled"]}).items():
        assert table.loc[name, "wer"] == condition["metrics"]["wer"]["value"]
        assert table.loc[name, "utterances"] == condition["n_utterances"]
    assert set(table.dtypes.drop(["utterances", "failed"]).map(str)) == {"float64"}, "NaN where there is no figure"
    both = results.table()
    assert len(both) == 2 * len(table)
    assert list(both.columns[:3]) == ["model", "corpus", "condition"]
    assert set(both["model"]) == set(MODELS)


def test_a_notebook_shows_the_headline(results: Results) -> None:
    html = results._repr_html_()
    assert html.count("<table") == 2
    for shown in (
        "whisper-tiny.en on noisy-v1, corpus prompts",
        "WER %",
        '3.1 <span class="interval">[0.5, 5.7]</span>',
        "whisper-tiny.en-kd-s0 on",
    ):
        assert shown in html


@pytest.mark.parametrize(
    "what", ["plot_errors", "plot_confident_errors", "plot_confidence_thresholds", "plot_reliability", "plot_risk_coverage"]
)
def test_figures_show_both_models(what: str, results: Results) -> None:
    figures = getattr(results, what)()
    assert len(figures) >= 1
    for figure in figures:
        assert isinstance(figure, Figure)
        legend = {text.get_text().split(" (")[0] for one in figure.legends for text in one.get_texts()}
        assert set(MODELS) <= {name for text in legend for name in MODELS if text.startswith(name)}
    assert figures._repr_html_().count("<svg") == len(figures)


def test_errors_drawn_are_those_of_the_table(results: Results) -> None:
    [figure, *_] = results[0].plot_errors()
    drawn = {round(float(y), 3) for line in figure.axes[0].lines for y in line.get_ydata()}
    wer = results[0].table().set_index("condition")["wer"]
    assert {round(100 * wer[name], 3) for name in ("clean", "white-10dB", "babble-0dB")} <= drawn


def test_score_is_the_stored_result_again(tmp_path: Path) -> None:
    folder = shutil.copytree(packaged("whisper-tiny.en"), tmp_path / "copy")
    scored = askd_bench.score(str(folder), "none")
    assert scored.normalizer == "none"
    assert Result.open(folder).stored_summary()["normalizer"]["name"] == "none"
    every = askd_bench.score(folder, "all")
    assert every["none"].summary["pooled"]["metrics"] == scored.summary["pooled"]["metrics"]
    assert every["whisper-english"].table().equals(RunResult.of(Result.open(packaged("whisper-tiny.en"))).table())


def test_a_shard_has_rows_and_no_figures(tmp_path: Path) -> None:
    [part] = askd_bench.run("noisy", lambda samples: "yes", corpus="prompts", limit=4, workers=0, output=tmp_path, shard="1/4")
    assert part.summary == {}
    assert part.failed == 0
    assert len(list(part.rows())) > 0
    assert "<table" not in part._repr_html_()


def test_comparisons_are_tables_too() -> None:
    compared = askd_bench.compare(packaged(MODELS[1]), packaged(MODELS[0]), control=packaged("whisper-tiny.en-ce-s0"))
    table = compared.table().set_index("condition")
    assert table.loc["pooled", "wer_student"] == compared.pooled.wer["student"].value
    assert table.loc["clean", "difference"] == pytest.approx(table.loc["clean", "wer_student"] - table.loc["clean", "wer_teacher"])
    assert table.loc["clean", "handed_down"] == compared.conditions[list(table.index).index("clean")].blind_spots.handed_down
    assert {"control_difference", "control_verdict", "inherited_low", "p_holm"} <= set(table.columns)
    assert "<table" in compared._repr_html_()
