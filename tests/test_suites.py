"""Suite files: every bundled one conforms, and every mistake in one is a line that says what is allowed."""

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_bench.suites import bundled_suites, load_suite

NAMES = sorted(bundled_suites())

SUITE = """
name = "mine"
version = 1
title = "Mine"
description = "Noise that I care about."
corpora = ["books"]
default = ["clean", "white-10dB"]
limit = 4

[[conditions]]
id = "clean"

[[grids]]
id = "{noise}-{snr_db}dB"
axes = { noise = ["white", "pink"], snr_db = [10, 0] }
chain = [{ perturbation = "additive_noise", noise = "{noise}", snr_db = "{snr_db}" }]
severity = "snr_db"
severity_order = "descending"
family = "{noise}"

[subgrids]
loud = ["white-0dB", "pink-0dB"]
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_suites_that_the_benchmark_is_known_for_are_there() -> None:
    assert {"noisy", "far-field", "telephony"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_bundled_suites_conform(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name, "a suite is found by its file's name"
    assert suite.label == f"{name}-v{suite.version}"
    assert suite.title
    assert len(suite.description) > 40
    assert suite.limit is None or suite.limit >= 10
    default = suite.select()
    assert len(default) <= 16, "the default grid is short"
    assert default[0].id == suite.baseline, "the baseline comes first"
    assert all(id_ == condition.id for id_, condition in suite.conditions.items())
    assert len({(condition.chain, condition.id == suite.baseline) for condition in suite.conditions.values()}) == len(suite.conditions), (
        "two conditions are the same"
    )
    for spec in suite.corpora:
        assert open_corpus(spec).name
    for subgrid in suite.subgrids:
        assert len(suite.select([f"@{subgrid}"])) >= 2
    assert suite.select(full=True) == list(suite.conditions.values())
    for condition in suite.conditions.values():
        assert condition.chain or condition.id == suite.baseline, f"{condition.id} does nothing and is not the baseline"
        assert re.fullmatch(r"[A-Za-z0-9._+-]+", condition.id), "an id names folders"


@pytest.mark.parametrize("name", NAMES)
def test_severities_order_each_family(name: str) -> None:
    families: dict[str, list[tuple[float | None, str]]] = {}
    for condition in load_suite(name).conditions.values():
        if condition.family is not None:
            families.setdefault(condition.family, []).append((condition.severity, condition.severity_order))
    for members in families.values():
        assert len({order for _, order in members}) == 1
        severities = [severity for severity, _ in members]
        if set(severities) != {None}:  # a family of kinds, not of degrees
            assert None not in severities
            assert len(set(severities)) == len(severities), "two members of a family are equally severe"


def test_fingerprints_are_all_different_and_stable() -> None:
    fingerprints = {load_suite(name).fingerprint for name in NAMES}
    assert len(fingerprints) == len(NAMES)
    assert fingerprints == {load_suite(path).fingerprint for path in bundled_suites().values()}


def test_a_suite_in_someone_elses_folder_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a folder", SUITE)
    monkeypatch.chdir(tmp_path)
    suite = load_suite("a folder/mine.toml")
    assert suite == load_suite(file)
    assert list(suite.conditions) == ["clean", "white-10dB", "white-0dB", "pink-10dB", "pink-0dB"]
    assert [condition.id for condition in suite.select()] == ["clean", "white-10dB"]
    assert [condition.id for condition in suite.select(["pink-*"])] == ["clean", "pink-10dB", "pink-0dB"]
    assert [condition.id for condition in suite.select(["@loud"])] == ["clean", "white-0dB", "pink-0dB"]
    pink = suite.conditions["pink-0dB"]
    assert (pink.family, pink.severity, pink.severity_order) == ("pink", 0.0, "descending")
    assert pink.chain[0].model_dump(include={"noise", "snr_db"}) == {"noise": "pink", "snr_db": 0.0}


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_elsewhere_is_the_same_suite(name: str, tmp_path: Path) -> None:
    copy = shutil.copy(bundled_suites()[name], tmp_path / "renamed.toml")
    assert load_suite(copy) == load_suite(name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version = 1", "version = 2"),
        ('name = "mine"', 'name = "mine2"'),
        ("snr_db = [10, 0]", "snr_db = [10, 0.5]"),
        ("snr_db = [10, 0]", "snr_db = [10, 0, -5]"),
        ('noise = ["white", "pink"]', 'noise = ["white", "speech-shaped"]'),
        ('snr_db = "{snr_db}" }]', 'snr_db = "{snr_db}", snr_of = "clip" }]'),
        ('id = "{noise}-{snr_db}dB"', 'id = "{noise}-{snr_db}dB-x"'),
        ('id = "clean"', 'id = "clean"\nchain = [{ perturbation = "low_pass", frequency_hz = 4000 }]'),
    ],
)
def test_whatever_changes_the_audio_changes_the_fingerprint(old: str, new: str, tmp_path: Path) -> None:
    changed = SUITE.replace(old, new)
    if "-x" in new:
        changed = changed.replace('"white-10dB"', '"white-10dB-x"').replace('["white-0dB", "pink-0dB"]', '["white-0dB-x"]')
    if "speech-shaped" in new:
        changed = changed.replace('"pink-0dB"', '"speech-shaped-0dB"')
    if "0.5" in new:
        changed = changed.replace('["white-0dB", "pink-0dB"]', '["white-0.5dB"]')
    assert changed != SUITE
    assert load_suite(write(tmp_path / "b", changed)).fingerprint != load_suite(write(tmp_path / "a", SUITE)).fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Noise that I care about.", "Other words."),
        ('title = "Mine"', 'title = "Theirs"'),
        ("limit = 4", "limit = 5"),
        ('corpora = ["books"]', 'corpora = ["prompts"]'),
        ('default = ["clean", "white-10dB"]', 'default = ["clean"]'),
        ('loud = ["white-0dB", "pink-0dB"]', 'loud = ["white-0dB"]'),
        ("limit = 4", "limit = 4  # a comment"),
    ],
)
def test_texts_and_defaults_do_not_change_the_fingerprint(old: str, new: str, tmp_path: Path) -> None:
    changed = SUITE.replace(old, new)
    assert changed != SUITE
    assert load_suite(write(tmp_path / "b", changed)).fingerprint == load_suite(write(tmp_path / "a", SUITE)).fingerprint


MISTAKES = {
    "unknown key at the top": ("limit = 4", "limt = 4", ["limt", "'limit'", "allowed"]),
    "unknown key of a condition": ('id = "clean"', 'id = "clean"\nseverty = 1', ["severty", "'severity'"]),
    "unknown key of a grid": ('family = "{noise}"', 'famly = "{noise}"', ["famly", "'family'"]),
    "SNR out of range": ("snr_db = [10, 0]", "snr_db = [10, 0, 99]", ["white-99dB", "snr_db", "99", "less than or equal to 60"]),
    "SNR that is no number": ("snr_db = [10, 0]", "snr_db = [10, 0, nan]", ["snr_db", "nan"]),
    "SNR that is text": ("snr_db = [10, 0]", 'snr_db = [10, 0, "loud"]', ["severity", "'loud'"]),
    "unknown noise": ('noise = ["white", "pink"]', 'noise = ["white", "pink", "blue"]', ["noise", "'blue'", "'white'"]),
    "unknown perturbation": ('perturbation = "additive_noise"', 'perturbation = "aditive_noise"', ["aditive_noise", "'additive_noise'"]),
    "unknown parameter": ('snr_db = "{snr_db}" }]', 'snr_db = "{snr_db}", snr = 3 }]', ["snr", "'snr_db'"]),
    "no perturbation": ('perturbation = "additive_noise", ', "", ["no perturbation", "perturbation = NAME"]),
    "duplicate id": ('id = "{noise}-{snr_db}dB"', 'id = "{noise}"', ["'white'", "twice"]),
    "bad id": ('id = "clean"', 'id = "../clean"', ["'../clean'", "allowed: letters"]),
    "unknown placeholder in the id": ('id = "{noise}-{snr_db}dB"', 'id = "{nose}-{snr_db}dB"', ["{nose}", "{noise}, {snr_db}"]),
    "unknown placeholder in the chain": ('snr_db = "{snr_db}" }]', 'snr_db = "{snr}" }]', ["placeholder", "'snr'", "'snr_db'"]),
    "placeholder with an attribute": ('family = "{noise}"', 'family = "{noise.colour}"', ["noise.colour", "{noise}"]),
    "placeholder with an index": ('family = "{noise}"', 'family = "{snr_db[0]}"', ["snr_db[0]", "{snr_db}"]),
    "placeholder without a name": ('family = "{noise}"', 'family = "{}"', ["'{}'", "{noise}"]),
    "open brace": ('family = "{noise}"', 'family = "{noise"', ["'{noise'", "{noise}"]),
    "severity that is no axis": ('severity = "snr_db"', 'severity = "snr"', ["severity", "'snr'", "'snr_db'"]),
    "severity on an axis of words": ('severity = "snr_db"', 'severity = "noise"', ["severity", "'white'", "axis of numbers"]),
    "severity order": ('"descending"', '"downwards"', ["severity_order", "'downwards'", "'ascending' or 'descending'"]),
    "axis without values": ("snr_db = [10, 0]", "snr_db = []", ["axes.snr_db", "[]", "at least 1"]),
    "no axes": ("axes = { noise", "other = { noise", ["axes"]),
    "version 0": ("version = 1", "version = 0", ["version", "0", "greater than or equal to 1"]),
    "version that is text": ("version = 1", 'version = "one"', ["version", "'one'", "integer"]),
    "limit 0": ("limit = 4", "limit = 0", ["limit", "0", "greater than or equal to 1"]),
    "no corpora": ('corpora = ["books"]', "corpora = []", ["corpora", "at least 1"]),
    "name for a folder": ('name = "mine"', 'name = "../mine"', ["name", "'../mine'"]),
    "missing title": ('title = "Mine"', "", ["title", "missing"]),
    "unknown baseline": ("limit = 4", 'baseline = "cleen"', ["baseline", "'cleen'", "'clean'"]),
    "unknown default": ('default = ["clean", "white-10dB"]', 'default = ["white-11dB"]', ["white-11dB", "'white-10dB'"]),
    "unknown id in a subgrid": ('loud = ["white-0dB", "pink-0dB"]', 'loud = ["white-1dB"]', ["white-1dB"]),
    "not TOML": ("limit = 4", "limit = ", ["not valid TOML", "line"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_file_key_value_and_what_is_allowed(mistake: str, tmp_path: Path) -> None:
    old, new, said = MISTAKES[mistake]
    text = SUITE.replace(old, new)
    assert text != SUITE
    file = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        load_suite(file)
    message = str(caught.value)
    assert "\n" not in message
    assert str(file) in message
    for word in said:
        assert word in message, message


def test_what_is_no_suite_file(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.toml").mkdir()
    for suite, said in (
        ("nosiy", r"'nosiy' is unknown; did you mean 'noisy'\?"),
        (tmp_path / "absent.toml", "does not exist"),
        (tmp_path / "folder.toml", "does not exist"),
        (binary, "not UTF-8"),
        ("", "is unknown"),
    ):
        with pytest.raises(UserError, match=said):
            load_suite(suite)


def test_patterns_that_match_nothing_offer_the_nearest() -> None:
    suite = load_suite("noisy")
    for pattern, near in (("white-10db", "'white-10dB'"), ("@sbr", "'@srb'"), ("nothing-*", "allowed")):
        with pytest.raises(UserError) as caught:
            suite.select([pattern])
        assert pattern in str(caught.value)
        assert near in str(caught.value)
    with pytest.raises(UserError, match="cannot be combined with full"):
        suite.select(["white-10dB"], full=True)


@given(st.lists(st.sampled_from(list(load_suite("noisy").conditions)), min_size=1))
def test_a_selection_keeps_the_suites_order_and_the_baseline(ids: list[str]) -> None:
    suite = load_suite("noisy")
    chosen = [condition.id for condition in suite.select(ids)]
    assert set(chosen) == {*ids, suite.baseline}
    assert chosen == [id_ for id_ in suite.conditions if id_ in set(chosen)]
