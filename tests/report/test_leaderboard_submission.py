"""The comment on a pull request names those a new result can be told apart from, and nothing it is not comparable with."""

import re
from pathlib import Path

import pytest
from leaderboard_results import ANCHOR, few, hashed, misheard, write_result, write_silence

from askd_bench.errors import UserError
from askd_bench.metrics.comparison import compare
from askd_bench.report.leaderboard.submission import comment
from askd_bench.results import Result


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for model, rate in ((ANCHOR, 0.0), ("twin", 0.3), ("new", 0.3), ("bad", 0.75), ("bad-2", 0.76), ("bad-3", 0.77), ("bad-4", 0.95)):
        write_result(folder, model, few(25), misheard("same" if model in {"twin", "new"} else model, rate))
    for model in (ANCHOR, "new"):
        write_silence(folder, model, ["", "you"])
    return folder


def test_who_is_better_who_is_worse_and_who_is_neither(root: Path) -> None:
    text = comment([root / "new" / "noisy-v1" / "prompts"], root)
    assert "Overall rank 2 to 3 of 7" in text
    assert "\nBetter than: bad, bad-2, bad-3, bad-4.\n" in text
    assert f"\nWorse than: {ANCHOR}.\n" in text
    assert "\nCannot be told apart from: twin.\n" in text
    compared = text.split("### new and the others")[1]
    rows = {line.split("|")[1].strip(): line for line in compared.splitlines() if line.startswith("| ") and "---" not in line}
    assert list(rows) == ["compared with", ANCHOR, "twin", "bad", "bad-2"], "the fourth below is no neighbour"
    pooled = compare(*(Result.open(root / model / "noisy-v1" / "prompts").rows() for model in ("new", ANCHOR))).pooled
    difference = pooled.versus_teacher.capped.difference
    assert difference.value is not None
    assert difference.low is not None
    assert f"| +{100 * difference.value:.1f} [+{100 * difference.low:.1f}, " in rows[ANCHOR]
    assert re.search(r"\| \\< \.001 \| worse \|", rows[ANCHOR])
    assert re.search(r"\| \+0\.0 +\| 1 \| cannot be told apart \|", rows["twin"])


def test_the_teacher_is_shown_however_far_it_is(root: Path) -> None:
    entry = '["{}"]\ndescription = "d"\nlicence = "MIT"\n'
    names = (ANCHOR, "twin", "new", "bad", "bad-2", "bad-3", "bad-4")
    (root / "models.toml").write_text("".join(entry.format(name) for name in names) + f'teacher = "{ANCHOR}"\n')
    try:
        text = comment([root / "bad-4" / "noisy-v1" / "prompts"], root)
    finally:
        (root / "models.toml").unlink()
    assert f"\n| {ANCHOR} | +" in text.split("### bad-4 and the others")[1]
    assert "\n| twin | +" not in text


def test_silence_is_a_table_without_comparisons(root: Path) -> None:
    text = comment([root / "new" / "silence-v1" / "silence"], root)
    assert "| words in silence % |" in text
    assert "and the others" not in text


def test_other_audio_is_said_to_be_other(tmp_path: Path) -> None:
    write_result(tmp_path, ANCHOR, few(6))
    path = write_result(
        tmp_path,
        "other",
        few(6),
        lambda row: row | {"audio_sha256": hashed("x", row["audio_sha256"])} if row["condition"] == "clean" else row,
    )
    text = comment([path], tmp_path)
    heard = len(list(Result.open(path).rows()))
    assert f"Not comparable: of the {heard} clips that {ANCHOR} heard here, {heard // 3} are missing or sound otherwise, in clean." in text
    assert f"No overall rank: nothing on the audio that {ANCHOR} heard of noisy-v1/prompts." in text


def test_only_results_of_the_folder(root: Path, tmp_path: Path) -> None:
    outside = write_result(tmp_path, "outside", few(2))
    with pytest.raises(UserError, match=r"comment_for: .* is not in"):
        comment([outside], root)
    with pytest.raises(UserError, match="is not a folder"):
        comment([root / "absent"], root)
