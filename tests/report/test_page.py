"""The page holds what the results say, stands on its own, and is safe and usable without a mouse or eyes; see test_page_browser too."""

import base64
import hashlib
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from html_tree import Element, tree
from page_results import HOSTILE, REAL, TEACHER, hostile, some_rows, student, write_result
from typer.testing import CliRunner

from askd_bench import cli
from askd_bench.errors import FigureWarning, UserError
from askd_bench.metrics.catalogue import METRICS
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.report.compare import compare
from askd_bench.report.frames import condition_table
from askd_bench.report.groups import group_tables
from askd_bench.report.page.build import report
from askd_bench.report.page.sections import open_sections
from askd_bench.report.views import HEADLINE, INHERITANCE
from askd_bench.results import SUMMARY_FILE, Result
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE
from askd_bench.text import DEFAULT_NORMALISER

FEW = some_rows(16, ("clean", "babble-0dB"))
CLEAN = some_rows(8, ("clean",))


@pytest.fixture(scope="module")
def family_tree(family_html: str) -> Element:
    return tree(family_html)


def page_of(*results: Path, out: Path, **options: Any) -> Element:
    report(results, out=out, **{"gallery": 0, **options})
    return tree(out.read_text(encoding="utf-8"))


def lines_of(page: Element, title: str) -> list[list[str]]:
    """Return the texts of the rows of the first table of that caption."""
    table = next(table for table in page.all("table") if table.first("caption").text == title)
    return [[cell.text for cell in row.all("th", "td")] for row in table.all("tr")]


# --- what it says -------------------------------------------------------------------------------------------------------------------------


def test_the_headline_is_that_of_the_summaries(family: Any, family_tree: Element) -> None:
    heading, *rows = lines_of(family_tree, "Headline")
    assert heading[3:] == [METRICS[name].label for name in HEADLINE]
    shown = {(row[0], row[1]): row[2:] for row in rows}
    assert len(shown) == len(rows) == 4 * 5, "each model under four conditions and pooled"
    for path in vars(family).values():
        result = Result.open(path)
        for _, record in condition_table(result.stored_summary()).iterrows():
            cells = shown[str(record["condition"]), result.signature().model.id]
            assert cells[0] == str(record["utterances"])
            for cell, name in zip(cells[1:], HEADLINE, strict=True):
                assert cell.split(" ")[0] == written(name, record.get(name, math.nan)), (name, cell)
                if name == "wer":
                    assert cell.split(" ", 1)[1] == f"[{written(name, record['wer_low'])}, {written(name, record['wer_high'])}]"


def written(name: str, value: float) -> str:
    one = METRICS[name]
    return "–" if math.isnan(value) else f"{one.factor * value:{'+' if one.signed else ''}.{one.digits}f}".replace("-", "−")


def test_the_comparison_is_that_of_compare(family: Any, family_tree: Element) -> None:
    comparison = compare(family.kd, family.teacher, control=family.control)
    rows = {(row[0], row[1]): row[2:] for row in lines_of(family_tree, "What became of the teacher's errors")}
    spots = {(row[0], row[1]): row[3:] for row in lines_of(family_tree, "Blind spots: reference words by who gets them wrong")}
    for one in (*comparison.conditions, comparison.pooled):
        inherited, versus_control = one.inheritance["inherited"], one.inheritance["inherited_vs_control"]
        assert inherited.value is not None
        assert versus_control.value is not None
        cells = rows[one.condition, "kd"]
        assert cells[1].split(" [")[0] == written("inherited", inherited.value)
        assert cells[1 + INHERITANCE.index("inherited_vs_control")].startswith(written("inherited_vs_control", versus_control.value))
        assert spots[one.condition, "kd"][0] == str(one.blind_spots.handed_down)
    assert {model for _, model in rows} - {"model"} == {"kd", "askd", "control (control)"}
    heading, *lines = lines_of(family_tree, "Word errors")
    verdicts = [row[heading.index("verdict, teacher")] for row in lines]
    assert comparison.pooled.versus_teacher.verdict in verdicts
    heading, *lines = lines_of(family_tree, "Capped word errors: no utterance counts as more than all wrong, so that no loop carries them")
    assert comparison.pooled.versus_teacher.capped_verdict in [row[heading.index("verdict, teacher")] for row in lines]


def test_notes_say_whom_intervals_speak_for_and_how_confidence_was_scaled(family: Any, family_tree: Element) -> None:
    notes = " ".join(one.text for one in family_tree.all("ul") if one.attributes.get("class") == "notes")
    fit = Result.open(family.teacher).stored_summary()["temperature_scaling"]
    scaled = f"{TEACHER}: Temperature {fit['temperature']:g} [{fit['low']:.3f}, {fit['high']:.3f}], fitted on {fit['dev_words']} dev words"
    for words in ("so they speak for new utterances of these speakers", "Normaliser whisper-english v1", scaled):
        assert words in notes
    assert "kd: No temperature scaling: " in notes
    assert ("at the edge of the grid" in notes) == fit["at_edge_of_grid"]


def test_every_model_is_described(family_tree: Element) -> None:
    rows = {row[0]: row[1:] for row in lines_of(family_tree, "What was run")}
    assert rows["model"] == [TEACHER, "kd", "askd", "control"]
    assert rows["parameters, millions"] == ["37.8", "29.0", "28.0", "30.0"]
    assert rows["RTFx"][0] == "– (no timings: a resumed run, given transcripts, limited requests, or timings taken out on purpose)"
    assert rows["RTFx"][1:] == ["20.0", "25.0", "15.0"]


def test_one_section_a_suite_and_corpus(family: Any, tmp_path: Path) -> None:
    prompts = write_result(tmp_path, "kd", FEW, source=REAL / "prompts")
    other_speech = write_result(tmp_path, "other", FEW)
    signature = json.loads((other_speech / SIGNATURE_FILE).read_text())
    signature["corpus"]["fingerprint"] = "0" * 64
    (other_speech / SIGNATURE_FILE).write_text(json.dumps(signature))
    sections = open_sections([family.kd, prompts, family.askd, other_speech], normalizer=DEFAULT_NORMALISER)
    assert [[entry.name for entry in section.entries] for section in sections] == [["kd", "askd"], ["kd"], ["other"]]
    assert [section.title for section in sections] == [
        "noisy-v1 on dialogue",
        "noisy-v1 on prompts",
        "noisy-v1 on dialogue (2: other speech, or another version)",
    ]
    assert len({section.name for section in sections}) == 3, "names are ids in the page"
    assert sections[0].entries[0].style == sections[1].entries[0].style != sections[0].entries[1].style, "a model looks the same everywhere"


def test_a_summary_of_another_normaliser_is_computed_again(family: Any, tmp_path: Path) -> None:
    [section] = open_sections([family.teacher], normalizer="none")
    stored = Result.open(family.teacher).stored_summary()
    wer, other = (summary["conditions"]["clean"]["metrics"]["wer"]["value"] for summary in (section.entries[0].summary, stored))
    assert wer > other, "without normalisation every capital letter is an error"
    assert Result.open(family.teacher).stored_summary() == stored, "nothing is stored"


def test_models_that_heard_something_else_are_warned_of(family: Any, tmp_path: Path) -> None:
    few = some_rows(24, ("clean",))
    deaf = write_result(tmp_path, "deaf", few, lambda row: row | {"audio_sha256": "0" * 64})
    page = page_of(family.teacher, deaf, out=tmp_path / "page.html", teacher=TEACHER)
    warnings = [one.text for one in page.all("li") if one.attributes.get("class") == "warning"]
    assert any("rows of whisper-tiny.en and deaf are of different audio" in one for one in warnings), warnings
    assert any("not run under the same conditions (babble-0dB, white-0dB, white-10dB)" in one for one in warnings)
    assert any(one.startswith("deaf is not compared: ") and "audio_sha256 differs" in one for one in warnings), warnings


def test_failed_recordings_and_unfinished_runs_are_told(tmp_path: Path) -> None:
    lost = {"hypothesis": None, "error": "the file is lost", "audio_sha256": None, "words": [], "word_tokens": [], "token_logprobs": []}
    lost |= {"token_entropies": [], "tempered_logprobs": {}, "decode_s": None}
    result = write_result(tmp_path, "m", CLEAN, lambda row: row | lost if row["utterance"].endswith("1") else row)
    (result / SUMMARY_FILE).unlink()
    with (
        pytest.warns(FigureWarning, match="recordings failed and are in no figure"),
        pytest.warns(FigureWarning, match="its run has not ended"),
    ):
        done = report(result, out=tmp_path / "page.html", gallery=0)
    assert any("failed)" in row[1] for row in lines_of(tree(done.page.read_text()), "Headline"))


@pytest.mark.parametrize("ended", [False, True])
def test_a_result_whose_rows_lack_planned_conditions_is_reported_on_what_is_there(tmp_path: Path, ended: bool) -> None:
    planned = json.loads((REAL / "dialogue" / SIGNATURE_FILE).read_text(encoding="utf-8"))["conditions"]
    there = ("clean", "babble-0dB", "babble-10dB", "white-0dB")
    result = write_result(tmp_path, "m", some_rows(8, there), signed={"conditions": planned})
    assert Result.open(result).summarise()["severity_area"].keys() == {"babble"}, "one white condition is no axis"
    if not ended:
        (result / SUMMARY_FILE).unlink()
    with pytest.warns(FigureWarning) as told:
        page = page_of(result, out=tmp_path / "page.html", gallery=1)
    absent = ", ".join(name for name in planned if name not in there)
    assert absent
    assert any(str(one.message).endswith(f"m: planned and without a row: {absent}") for one in told)
    shown = {row[0] for row in lines_of(page, "Headline")[1:]}
    assert shown & planned.keys() == set(there)


def test_models_without_confidence(tmp_path: Path) -> None:
    bare = {"word_tokens": [], "token_logprobs": [], "token_entropies": [], "tempered_logprobs": {}}
    result = write_result(tmp_path, "text-only", CLEAN, lambda row: row | bare | {"words": []})
    page = page_of(result, out=tmp_path / "page.html", gallery=1)
    titles = [one.text for one in page.all("h3")]
    assert "Errors over conditions" in titles
    assert not {"Reliability", "Risk and coverage", "Confident errors over conditions"} & set(titles), "there is nothing to draw"
    assert any("no word confidences" in one.text for one in page.all("p")), "and the tables say why"


def test_silence_is_shown_by_what_is_invented(tmp_path: Path) -> None:
    page = page_of(REFERENCE_RESULTS_DIR / TEACHER / "silence-v1" / "silence", out=tmp_path / "page.html", gallery=1)
    assert any(one.text.startswith("Data of “Invented words: ") for one in page.all("summary"))
    assert [one.text for one in page.all("h4")] == ["(nothing is said)"]
    heading, *_ = lines_of(page, "Errors by kind, invented text, speed")
    assert METRICS["invented_words_per_minute"].label in heading
    assert "WER %" not in heading, "there is none"
    titles = [one.text for one in page.all("h3")]
    assert not {"Reliability", "Risk and coverage"} & set(titles), "no word can be right"
    assert "Confident errors over conditions" in titles


def test_groups_are_shown_where_the_suite_goes_by_them(family_tree: Element, tmp_path: Path) -> None:
    assert not any("Groups of speakers" in one.text for one in family_tree.all("h3")), "the suite noisy does not go by groups"
    packaged = REFERENCE_RESULTS_DIR / TEACHER / "accents-v1" / "accents"
    page = page_of(packaged, write_result(tmp_path, "b", student("b", error_rate=0.2), source=packaged), out=tmp_path / "page.html")
    result = Result.open(packaged)
    heading, *rows = lines_of(page, f"WER % by group ({result.signature().corpus.group_is})")
    conditions = list(result.signature().conditions)
    assert heading == ["group", "model", "utt.", *conditions]
    shown = {(row[0], row[1]): row for row in rows}
    tables = group_tables(result)
    for column, condition in enumerate(conditions, start=3):
        for row in tables[condition].groups:
            cell = shown[row.name, TEACHER][column]
            assert cell.startswith("– fewer than 20" if row.wer.value is None else f"{100 * row.wer.value:.1f}")
        assert shown["worst group", TEACHER][column] == (tables[condition].worst or "–")
    captions = [one.text for one in page.all("figcaption") if "groups are: " in one.text]
    drawn = [condition for condition in conditions if any(row.wer.value is not None for row in tables[condition].groups)]
    assert len(captions) == len(drawn)


# --- what stands in the way of reading it -------------------------------------------------------------------------------------------------


def test_the_page_asks_for_nothing(family_html: str, family_tree: Element) -> None:
    for element in family_tree.all():
        for name, value in element.attributes.items():
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
                assert value.startswith(("#", "data:")), (element.tag, name, value[:60])
    assert not re.search(r"url\(\s*['\"]?(?!#)|@import|fetch\(|XMLHttpRequest|WebSocket|EventSource", family_html)
    policy = next(one.attributes["content"] for one in family_tree.all("meta") if "http-equiv" in one.attributes)
    assert policy.startswith("default-src 'none'; ")


def test_the_policy_allows_the_pages_own_script_alone(family_html: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", family_html, re.DOTALL)
    assert len(scripts) == family_html.lower().count("<script") == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in family_html


def test_ids_are_unique_and_what_is_named_is_there(family_tree: Element) -> None:
    ids = [element.attributes["id"] for element in family_tree.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in family_tree.all():
        named = element.attributes.get("aria-labelledby", "").split()
        named += [value[1:] for key, value in element.attributes.items() if key in ("href", "xlink:href") and value.startswith("#")]
        named += re.findall(r"url\(#([^)]+)\)", " ".join(element.attributes.values()))
        assert set(named) <= set(ids), element.attributes


def test_structure_for_those_who_listen_or_type(family_tree: Element) -> None:
    assert family_tree.first("html").attributes["lang"] == "en"
    levels = [int(element.tag[1]) for element in family_tree.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), "no level is skipped"
    skip = family_tree.first("body").first("a")
    assert family_tree.by_id(skip.attributes["href"][1:]).tag == "main"
    for table in family_tree.all("table"):
        assert table.first("caption").text
        assert all(heading.attributes["scope"] in ("col", "row") for heading in table.all("th"))
        sortable = table.attributes.get("class") != "runs"
        assert all(heading.first("button").text for heading in table.first("thead").all("th") if sortable)
    for region in (one for one in family_tree.all("div") if one.attributes.get("class") == "scroll"):
        assert region.attributes["tabindex"] == "0", "what scrolls can be reached by keys"
        assert region.attributes.get("aria-label") or region.attributes.get("aria-labelledby")
    figures = list(family_tree.all("figure"))
    for figure in figures:
        drawing = figure.first("svg")
        assert drawing.attributes["role"] == "img"
        assert drawing.first("title").text
        assert len(drawing.first("desc").text) > 20
        assert len(list(figure.first("table").all("tr"))) > 1, "a table says the same"
    assert len(figures) > 10
    assert all(clip.attributes["aria-label"] for clip in family_tree.all("audio"))


NAMES = [text.replace("/", "") for text in HOSTILE]
"""Those of models and corpora, which no path can be."""


def test_text_cannot_become_markup(tmp_path: Path) -> None:
    """Everything that a result may hold: names, texts, and all of the signature."""
    source = write_result(tmp_path, "ok", CLEAN)
    bad = write_result(tmp_path, NAMES[0] + NAMES[1], CLEAN, hostile, about={"device": HOSTILE[1], "decoding": {HOSTILE[0]: HOSTILE[2]}})
    for path in (source, bad):
        signature = json.loads((path / SIGNATURE_FILE).read_text())
        signature["corpus"] |= {"name": NAMES[1], "source": HOSTILE[0], "group_is": HOSTILE[2]}
        (path / SIGNATURE_FILE).write_text(json.dumps(signature))
    out = tmp_path / "page.html"
    page = page_of(bad, source, out=out, gallery=2, figures=tmp_path / "figures")
    assert len(list(page.all("script"))) == 1
    assert not list(page.all("img", "iframe", "object", "embed", "form"))
    assert not [name for element in page.all() for name in element.attributes if name.startswith("on")]
    text = out.read_text()
    assert "{{" not in text.replace("a&amp;amp;b{{ 7*7 }}", ""), "texts are not templates"
    assert HOSTILE[1] in page.text
    assert HOSTILE[3] in page.text, "shown as it was written"
    assert all(file.resolve().parent == (tmp_path / "figures").resolve() for file in tmp_path.rglob("*.svg"))


def test_odd_characters_do_no_harm(tmp_path: Path) -> None:
    """A control character, right-to-left override and mathematics in names and texts; half a surrogate pair in a name."""
    odd = "a\x07b \u202egnorw $\\frac{1}$ 東京"
    result = write_result(
        tmp_path, "m", FEW, lambda row: row | {"hypothesis": odd, "words": [[w, 0.9] for w in odd.split(" ")], "group": odd}
    )
    signature = json.loads((result / SIGNATURE_FILE).read_text())
    signature["model"]["id"] = f"{odd}\ud800"
    (result / SIGNATURE_FILE).write_text(json.dumps(signature))
    page = page_of(result, write_result(tmp_path, "n", CLEAN), out=tmp_path / "page.html", gallery=1)
    assert "東京" in page.text
    assert any("$\\frac{1}$" in one.text for one in page.all("text")), "names are not typeset"


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    result = write_result(tmp_path, "m", CLEAN)
    for name in "12":
        report([result], out=tmp_path / f"{name}.html", gallery=1)
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()


# --- how it is asked for ------------------------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "teacher": ({"teacher": "whisper-tny.en"}, r"teacher: 'whisper-tny.en' is unknown; did you mean 'whisper-tiny.en'\?"),
    "control": ({"teacher": TEACHER, "control": "ce"}, r"control: 'ce' is unknown"),
    "control alone": ({"control": "kd"}, r"control: 'kd' needs a teacher"),
    "control as teacher": ({"teacher": TEACHER, "control": TEACHER}, r"is the teacher too"),
    "gallery": ({"gallery": -1}, r"gallery: -1 is out of range \(allowed: 0 for none, or more\)"),
    "normaliser": ({"normalizer": "wisper-english"}, r"normalizer: 'wisper-english' is unknown; did you mean 'whisper-english'"),
    "suite": ({"suite": [Path("absent.toml")]}, r"suite: 'absent.toml' does not exist"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_refused_and_nothing_written(case: str, family: Any, tmp_path: Path) -> None:
    options, message = WRONG[case]
    with pytest.raises(UserError, match=message):
        report([family.teacher, family.kd], out=tmp_path / "page.html", figures=tmp_path / "figures", **options)
    assert not list(tmp_path.iterdir())


def test_results_and_files_that_cannot_be(family: Any, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    for results, message in (
        ([], "result_dirs: none given"),
        ([family.kd, family.kd / ".." / family.kd.name], "is given twice"),
        ([tmp_path / "absent"], "is not a folder"),
        ([family.kd.parent], "inside it are dialogue"),
    ):
        with pytest.raises(UserError, match=message):
            report(results, out=out)
    with pytest.raises(UserError, match=r"out: .* is a folder"):
        report([family.kd], out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"figures: .* is a file"):
        report([family.kd], out=out, figures=tmp_path / "file")
    with pytest.raises(UserError, match=r"out: .* cannot be made: "):
        report([family.kd], out=tmp_path / "file" / "page.html", gallery=0)
    empty = write_result(tmp_path, "empty", FEW)
    (empty / ROWS_FILE).write_text("")
    with pytest.raises(UserError, match="has no rows"):
        report([empty], out=out)
    assert not out.exists()


def test_the_command(tmp_path: Path) -> None:
    out, figures = tmp_path / "new" / "page.html", tmp_path / "figures"
    options = ["--out", str(out), "--figures", str(figures), "--teacher", TEACHER, "--gallery", "0"]
    results = [write_result(tmp_path, TEACHER, CLEAN), write_result(tmp_path, "kd", CLEAN, student("kd", error_rate=0.2))]
    done = CliRunner().invoke(cli.app, ["report", *map(str, results), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "page.html: written" in done.output.replace("\n", "")
    assert "Inherited from whisper-tiny.en" in out.read_text()
    assert len(list(figures.glob("*.svg"))) == len(list(figures.glob("*.png"))) > 5
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]
