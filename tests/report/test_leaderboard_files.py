"""What is written: right, escaped, the same to the byte, and checked."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from html_tree import Element, tree
from leaderboard_results import ANCHOR, few, in_suite, misheard, write_result, write_silence

from askd_bench.cli import main
from askd_bench.errors import UserError
from askd_bench.report.leaderboard.files import check, contents, leaderboard
from askd_bench.report.leaderboard.frame import Leaderboard, leaderboard_of

HOSTILE = "<script>alert(1)</script> | a_b *c* & 100 % $x$ {{ 7*7 }} \"q' [l](http://x) \\\\ #"
MODELS = f"""
["whisper-tiny.en"]
description = '''{HOSTILE}'''
licence = "MIT"
[kd]
description = "a student"
licence = "MIT"
teacher = "whisper-tiny.en"
["c_e&<b>"]
description = "a control"
licence = "MIT"
[partial]
description = "another"
licence = "MIT"
"""
PUBLISHED = f"""
[[tables]]
title = '''Elsewhere {HOSTILE}'''
source = "Somebody 2020"
url = "https://example.org/paper"
note = "Not ours."
columns = ["model", "WER %", "speed"]
rows = [["other", 13.6, "fast"], ["another", 9.25, "1/5"]]
"""
NAMES = ["LEADERBOARD.md", "leaderboard.csv", "leaderboard.tex", "index.html"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for suite in ("noisy-v1", "far-field-v1"):
        write_result(folder, ANCHOR, few(12), in_suite(suite), suite=suite)
        write_result(folder, "kd", few(12), in_suite(suite), misheard("kd", 0.1), suite=suite, parameters=None)
        write_result(folder, "c_e&<b>", few(12), in_suite(suite), misheard("ce", 0.4), suite=suite)
    write_result(folder, "partial", few(12), in_suite("noisy-v1"), misheard("p", 0.1))
    write_silence(folder, ANCHOR, ["", "you"])
    (folder / "models.toml").write_text(MODELS, encoding="utf-8")
    (folder / "published.toml").write_text(PUBLISHED, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def board(root: Path) -> Leaderboard:
    return leaderboard_of(root)


@pytest.fixture(scope="module")
def texts(board: Leaderboard) -> dict[str, str]:
    return {name: content.decode() for name, content in contents(board).items()}


@pytest.fixture(scope="module")
def page(texts: dict[str, str]) -> Element:
    return tree(texts["index.html"])


def markdown_cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def table_below(markdown: str, title: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, headings first."""
    lines = markdown.split(f" {title}\n", 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append(markdown_cells(line))
    return [rows[0], *rows[2:]]


def test_a_model_that_lacks_a_suite_has_a_dash_for_a_rank(texts: dict[str, str]) -> None:
    head, *rows = table_below(texts["LEADERBOARD.md"], "Overall")
    by_model = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert [row[0] for row in rows] == [ANCHOR, "kd", r"c\_e&\<b\>", "partial"]
    assert by_model["partial"]["rank"] == "–"
    assert by_model["partial"]["far-field-v1"] == "–"
    assert by_model["partial"]["WER %"] == "–"
    assert re.fullmatch(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", by_model["partial"]["noisy-v1"])
    assert by_model[ANCHOR]["rank"] == "1"
    assert by_model["kd"]["M par."] == "–"
    assert by_model[ANCHOR]["words/min"] == "5.00", "one word in two clips of six seconds"
    assert by_model["kd"]["words/min"] == "–"
    assert by_model["kd"]["inherits"] != "–"
    assert by_model[ANCHOR]["inherits"] == "–"


def test_each_board_has_its_table_and_one_by_condition(texts: dict[str, str]) -> None:
    head, *rows = table_below(texts["LEADERBOARD.md"], "noisy-v1, prompts")
    assert [row[0] for row in rows].index("partial") in (1, 2)
    assert all(row[head.index("rank")] != "–" for row in rows)
    head, *rows = table_below(texts["LEADERBOARD.md"].split("### noisy-v1, prompts")[1].replace("</summary>", "</summary> X"), "X")
    assert head[:2] == ["condition", "clips"]
    assert [row[0] for row in rows] == ["clean", "white-0dB", "speech-shaped-0dB"]


def test_markdown_tables_keep_their_columns_whatever_is_written_in_them(texts: dict[str, str]) -> None:
    widths, tables = 0, 0
    for line in texts["LEADERBOARD.md"].splitlines():
        if not line.startswith("|"):
            widths = 0
        elif not widths:
            widths, tables = len(markdown_cells(line)), tables + 1
        else:
            assert len(markdown_cells(line)) == widths, line
    assert tables >= 9
    assert "<script>" not in texts["LEADERBOARD.md"].replace(r"\<script\>", "")


def test_the_page_needs_nothing_else_and_shows_text_as_text(page: Element, texts: dict[str, str]) -> None:
    assert [one.text.count("alert(1)") for one in page.all("script")] == [0]
    assert HOSTILE in page.text
    for element in page.all():
        assert "src" not in element.attributes
        assert element.tag not in {"link", "iframe", "object", "img"}
        assert not [name for name in element.attributes if name.startswith("on")]
        assert element.attributes.get("href", "#").startswith(("#", "https://example.org/paper"))
    assert "url(" not in texts["index.html"]
    assert "@import" not in texts["index.html"]


def test_the_page_is_made_for_keyboards_and_readers(page: Element) -> None:
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for link in page.first("nav").all("a"):
        assert link.attributes["href"].removeprefix("#") in ids
    tables = list(page.all("table"))
    assert len(tables) >= 9
    for table in tables:
        headings = list(table.first("thead").all("th"))
        assert all(one.attributes["scope"] == "col" and one.attributes["aria-sort"] == "none" for one in headings)
        assert all(len(list(one.all("button"))) == 1 for one in headings)
        for row in table.first("tbody").all("tr"):
            cells = list(row.all("th", "td"))
            assert len(cells) == len(headings)
            assert cells[0].tag == "th"
            assert cells[0].attributes["scope"] == "row"
    regions = [one for one in page.all("div") if one.attributes.get("role") == "region"]
    assert len(regions) == len(tables)
    assert all(one.attributes["tabindex"] == "0" and one.attributes["aria-label"] for one in regions)


def test_what_others_published_is_set_apart(page: Element, texts: dict[str, str]) -> None:
    [apart] = [one for one in page.all("div") if one.attributes.get("class") == "elsewhere"]
    assert "Published elsewhere, not comparable" in apart.text
    assert "9.25" in apart.text
    assert "13.60" in apart.text, "as many digits as the column has"
    outside = page.text.replace(apart.text, "")
    assert "Somebody 2020" not in outside
    assert "Somebody" not in texts["leaderboard.csv"] + texts["leaderboard.tex"]


def test_latex_is_balanced_and_escaped(texts: dict[str, str]) -> None:
    latex = texts["leaderboard.tex"]
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == latex.count(r"\toprule") == latex.count(r"\bottomrule")
    bare = re.sub(r"\\[\\{}&%$#_]", "", latex)
    assert bare.count("{") == bare.count("}")
    for table in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", latex, re.DOTALL):
        rows = [line for line in table[1].splitlines() if line.endswith(r"\\")]
        assert rows
        assert all(len(re.findall(r"(?<!\\)&", line)) == len(table[0]) - 1 for line in rows)
    assert not [character for character in set(latex) if ord(character) > 127]
    assert r"c\_e\&\textless{}b\textgreater{}" in latex


def test_csv_holds_the_frame(texts: dict[str, str], board: Leaderboard) -> None:
    rows = list(csv.DictReader(io.StringIO(texts["leaderboard.csv"])))
    assert len(rows) == len(board.frame)
    assert [row["model"] for row in rows] == list(board.frame["model"])
    for row, value in zip(rows, board.frame["wer_low"], strict=True):
        assert row["wer_low"] == ("" if value != value else repr(value))


def test_the_same_rows_give_the_same_bytes(root: Path, texts: dict[str, str], tmp_path: Path) -> None:
    """Elsewhere, made in another order, and with some rows compressed."""
    again = tmp_path / "elsewhere"
    for path in sorted(root.glob("*/*/*"), reverse=True):
        shutil.copytree(path, again / path.relative_to(root))
    for name in ("models.toml", "published.toml"):
        shutil.copy(root / name, again / name)
    shutil.rmtree(again / "kd" / "noisy-v1")
    write_result(again, "kd", few(12), in_suite("noisy-v1"), misheard("kd", 0.1), compressed=True, parameters=None)
    assert {name: content.decode() for name, content in contents(leaderboard_of(again)).items()} == texts
    assert not [text for text in texts.values() if str(root) in text or str(Path.home()) in text]


def test_check_names_what_differs(tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(3))
    assert [path.name for path in leaderboard(tmp_path)] == NAMES
    assert check(tmp_path) == []
    page = tmp_path / "LEADERBOARD.md"
    page.write_bytes(page.read_bytes().replace(b"| 37.8 |", b"| 99.9 |", 1))
    (tmp_path / "leaderboard.tex").unlink()
    found = check(tmp_path)
    assert len(found) == 2
    assert found[0].startswith(f"{page}: differs\n--- stored LEADERBOARD.md\n+++ LEADERBOARD.md from the rows\n")
    assert "\n-| whisper-tiny.en | 1 | 99.9 |" in found[0]
    assert "\n+| whisper-tiny.en | 1 | 37.8 |" in found[0]
    assert found[1] == f"{tmp_path / 'leaderboard.tex'}: does not exist"
    write_result(tmp_path, "new", few(3), misheard("x", 0.2))
    assert len(check(tmp_path)) == len(NAMES), "a new result changes every file"
    assert not (tmp_path / "leaderboard.tex").exists(), "checking writes nothing"


def test_the_command_exits_with_1_where_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path / "results", ANCHOR, few(3))
    monkeypatch.chdir(tmp_path)

    def said(*arguments: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr("sys.argv", ["askd-bench", "leaderboard", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        return (stop.value.code, *capsys.readouterr())

    assert said("--results", "results", "--check") == (1, "".join(f"results/{name}: does not exist\n" for name in NAMES), "")
    assert said("--results", "results") == (None, f"{', '.join(f'results/{name}' for name in NAMES)}: written\n", "")
    assert said("--results", "results", "--check") == (0, "results: every file is what the rows say\n", "")
    code, _, err = said("--results", "absent")
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = said("--check", "--comment-for", "results/x")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot be combined" in err


CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_a_press_sorts_and_leaves_what_has_no_value_last(texts: dict[str, str], tmp_path: Path) -> None:
    """In a browser, after one press on the second heading's button, and two on the third's."""
    press = "<script>var b = document.querySelectorAll('table')[0].querySelectorAll('button'); b[1].click(); {} </script></body>"
    orders = {}
    for name, more in (("rank", ""), ("size", "b[2].click(); b[2].click();")):
        file = tmp_path / f"{name}.html"
        file.write_text(texts["index.html"].replace("</body>", press.replace("{}", more)), encoding="utf-8")
        arguments = [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}/user",
            "--dump-dom",
            file.as_uri(),
        ]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=True)
        table = next(tree(done.stdout).all("table"))
        orders[name] = [row.first("th").text for row in table.first("tbody").all("tr")]
        sorted_by = [one.attributes["aria-sort"] for one in table.first("thead").all("th")]
        assert sorted_by[:3] == (["none", "ascending", "none"] if name == "rank" else ["none", "none", "descending"])
    assert orders["rank"] == [ANCHOR, "kd", "c_e&<b>", "partial"]
    assert orders["size"][-1] == "kd", "its size is unknown"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(2))
    (tmp_path / "LEADERBOARD.md").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        leaderboard(tmp_path)
