"""The builder's rules on its committed line tables: who is in which split, what is left out, which line is taken next."""

import doctest
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from askd_bench.errors import UserError
from askd_bench.paths import CORPORA_DIR
from build_corpora import fotaq
from build_corpora.agreement import agreed_alternative, differences, same_words
from build_corpora.lines import Line, Verdicts, clean_text, read_manifest, read_table, usable
from build_corpora.packages import Package, unpacked


def test_no_actor_is_in_two_splits() -> None:
    actors = [actor for split in fotaq.ACTORS.values() for actor in split]
    assert len(actors) == len(set(actors))


def test_training_speakers_and_texts_are_not_in_the_bundled_dialogue() -> None:
    training = fotaq.lines_of("train")
    bundled = list(read_manifest(CORPORA_DIR / "dialogue"))
    assert len(training) > 3800
    assert not {line.actor for line in training} & {row["speaker"] for row in bundled}
    assert not {clean_text(line.text).casefold() for line in training} & {str(row["text"]).casefold() for row in bundled}
    assert not {line.id for line in training} & {row["id"] for row in bundled}


def test_lines_with_flags_or_without_a_known_actor_are_in_no_split() -> None:
    lines = [line for split in fotaq.ACTORS for line in fotaq.lines_of(split)]
    assert not [line for line in lines if line.flag or not line.actor]
    assert {line.flag for line in read_table("fotaq")} == {"", "animal", "voice_effect", "invented_language"}


def test_every_bundled_line_was_checked_and_has_the_checked_text() -> None:
    verdicts = Verdicts.read()
    tables = {line.id: line for name in ("fotaq", "bass") for line in read_table(name)}
    for name in ("dialogue", "accents"):
        for row in read_manifest(CORPORA_DIR / name):
            assert row["text"] == verdicts.reference(tables[str(row["id"])]), row["id"]
    for name in ("prompts", "books"):
        assert all(verdicts.rows[str(row["id"])]["verdict"] in {"kept", "mended"} for row in read_manifest(CORPORA_DIR / name))


def test_verdicts_carry_their_evidence() -> None:
    for row in Verdicts.read().rows.values():
        assert row["verdict"] in {"kept", "mended", "dropped"}, row
        assert {"whisper_base", "moonshine_base", "text"} <= row.keys(), row
        assert (row["verdict"] == "mended") == ("mended_text" in row), row
        assert row["reason"], row
        if row["verdict"] == "mended" and "alignment favours" in row["reason"]:
            assert max(map(int, re.findall(r" ([+-]\d+)(?=;|$)", row["agreed_against"]))) >= 30, row
            heard = (row["whisper_base"], row["moonshine_base"])
            assert agreed_alternative(row["text"], heard), row


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Press # to enter", False),
        ("It's 3 - 2 or so", True),
        ("Two words...", False),
        ("at [@] the end", False),
        ("What... is... it?", True),
    ],
)
def test_usable_lines_have_three_words_and_no_open_symbols(text: str, kept: bool) -> None:
    assert usable(Line(id="x", text=text, audio="x")) is kept


def test_flagged_line_is_not_usable() -> None:
    assert not usable(Line(id="x", text="one two three", audio="x", flag="animal"))


@pytest.mark.parametrize("name", ["fotaq", "bass"])
def test_cleaning_is_idempotent_and_leaves_no_stray_dots(name: str) -> None:
    for line in read_table(name):
        text = clean_text(line.text)
        assert clean_text(text) == text
        assert ".." not in text


def test_selection_is_balanced_seeded_and_passes_over_dropped_lines() -> None:
    pool = {line.id for split in ("dev", "test") for line in fotaq.lines_of(split)}
    all_kept = Verdicts({id: {"verdict": "kept"} for id in pool})
    chosen = list(fotaq.dialogue_lines(all_kept))
    assert chosen == list(fotaq.dialogue_lines(all_kept))
    assert Counter(split for split, _, _ in chosen) == fotaq.DIALOGUE_LINES
    victim = chosen[0][1]
    without = list(fotaq.dialogue_lines(Verdicts({**all_kept.rows, victim.id: {"verdict": "dropped"}})))
    assert victim.id not in {line.id for _, line, _ in without}
    assert len(without) == len(chosen)


def test_unchecked_line_is_refused() -> None:
    with pytest.raises(UserError, match="has not been checked"):
        Verdicts({}).reference(Line(id="nobody", text="one two three", audio="x"))


def test_altered_download_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package("apt", "toy", "1", "0" * 64)
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path))
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / package.filename).write_bytes(b"other")
    with pytest.raises(UserError, match="sha256 is"):
        unpacked(package)


def test_missing_installer_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"^apt-get is not installed; it is needed to fetch toy 1 \(or put toy_1_all.deb into .*\)$"):
        unpacked(Package("apt", "toy", "1", "0" * 64))


def test_agreement_needs_both_systems() -> None:
    text = "I think it's putty"
    assert agreed_alternative(text, ("I think it's party.", "I think it's a party")) is None
    assert agreed_alternative(text, ("I think it's party.", "I thinks its party")) is None  # "it's" differs from "its": another run
    assert agreed_alternative(text, ("I think it's party.", "Hey, I think it's party!")) == "i think it's party"


def test_agreement_ignores_what_the_normaliser_ignores() -> None:
    assert agreed_alternative("I'm on the clean-up crew", ("I am on the cleanup crew", "I am on the cleanup crew")) is None
    assert same_words("colour of two", "color of 2")


def test_differences_join_neighbours() -> None:
    assert differences(["a", "b", "c", "d"], ["a", "x", "y", "z", "d"]) == {(1, ("b", "c"), ("x", "y", "z"))}
    assert differences(["a", "b"], ["a", "b", "c"]) == {(2, (), ("c",))}


def test_documented_counts_of_the_check_are_those_of_its_record() -> None:
    documented = (Path(__file__).resolve().parents[2] / "docs" / "CORPORA.md").read_text(encoding="utf-8")
    verdicts = Counter((id.split("-")[0], row["verdict"]) for id, row in Verdicts.read().rows.items())
    for name, source in {"dialogue": "fotaq", "accents": "bass", "prompts": "asterisk", "books": "librivox"}.items():
        kept, mended, dropped = (verdicts[source, verdict] for verdict in ("kept", "mended", "dropped"))
        assert f"| `{name}` | {kept} | {mended} | {dropped} |" in documented
        assert len(list(read_manifest(CORPORA_DIR / name))) == kept + mended


@pytest.mark.parametrize("name", ["agreement", "levels", "lines", "spelling"])
def test_examples_in_the_builder_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"build_corpora.{name}"))
    assert result.attempted
    assert not result.failed
