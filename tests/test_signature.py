"""Signatures: every packaged one reads, and is written as it is stored; names cannot lead out of a folder."""

import json
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.errors import UserError
from askd_bench.files import to_json
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.signature import SIGNATURE_FILE, Signature, differences

PACKAGED = sorted(file.parent for file in REFERENCE_RESULTS_DIR.glob(f"*/*-v*/*/{SIGNATURE_FILE}"))
REAL = Signature.read(REFERENCE_RESULTS_DIR / "whisper-tiny.en" / "noisy-v1" / "prompts")


def changed(**about: Any) -> Signature:
    return REAL.model_copy(update=about)


def test_packaged_signatures_are_written_as_they_are_stored() -> None:
    assert len(PACKAGED) > 100
    for folder in PACKAGED:
        signature = Signature.read(folder)
        assert to_json(signature.as_dict()) == (folder / SIGNATURE_FILE).read_bytes(), folder
        assert folder.parts[-3:] == signature.place.parts


def test_what_is_written_reads_back_with_everything_in_it(tmp_path: Path) -> None:
    whole = changed(
        limit=8, planned_rows=9, noise_dir=REAL.talkers, model=REAL.model.model_copy(update={"id": "m \ud800", "parameters": None})
    )
    whole.write(tmp_path)
    assert Signature.read(tmp_path) == whole
    assert {"limit", "planned_rows"} <= set(json.loads((tmp_path / SIGNATURE_FILE).read_bytes()))
    assert "shard" not in whole.as_dict()
    assert whole.as_dict()["model"]["parameters"] is None


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc", "a/b", "a\0b"])
@pytest.mark.parametrize("keys", [("model", "id"), ("corpus", "name"), ("suite", "name")])
def test_names_stay_within_their_folder(name: str, keys: tuple[str, str], tmp_path: Path) -> None:
    content = REAL.as_dict()
    content[keys[0]] |= {keys[1]: name}
    (tmp_path / SIGNATURE_FILE).write_bytes(to_json(content))
    with pytest.raises(UserError, match=rf"^shards: .*{SIGNATURE_FILE}: {'.'.join(keys)}: "):
        Signature.read(tmp_path, argument="shards")


def test_a_name_may_be_odd(tmp_path: Path) -> None:
    odd = "a b. …\n~'東京"
    changed(corpus=REAL.corpus.model_copy(update={"name": odd})).write(tmp_path)
    assert Signature.read(tmp_path).place == PurePath("whisper-tiny.en", "noisy-v1", odd)


CHANGES: dict[str, dict[str, Any]] = {
    "limit": {"limit": 3},
    "planned_rows": {"planned_rows": 3},
    "batch_size": {"batch_size": 3},
    "versions": {"versions": REAL.versions | {"torch": "0"}},
    "rules": {"rules": REAL.rules.model_copy(update={"seed": "mine"})},
    "conditions": {"conditions": dict(list(REAL.conditions.items())[:1])},
    "corpus": {"corpus": REAL.corpus.model_copy(update={"fingerprint": "0"})},
    "corpus name": {"corpus": REAL.corpus.model_copy(update={"name": "mine"})},
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_may_differ_depends_on_what_for(case: str) -> None:
    other = changed(**CHANGES[case])
    assert bool(REAL.of_another_run(other)) == (case not in {"limit", "planned_rows"})
    assert bool(REAL.of_other_speech(other)) == (case in {"rules", "corpus name"})
    assert (REAL.speech != other.speech) == (case in {"rules", "corpus", "corpus name"})
    assert REAL.of_another_run(REAL) == REAL.of_other_speech(REAL) == []


texts = st.text(max_size=20)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
dictionaries = st.dictionaries(texts, trees, max_size=4)


@given(dictionaries, dictionaries)
def test_differences_are_none_exactly_between_equals(one: dict[str, object], other: dict[str, object]) -> None:
    assert differences(one, one) == []
    if one == other:
        assert differences(one, other) == []
    if not differences(one, other):
        assert {key for key, value in one.items() if value is not None} >= {key for key in one if key not in other and one[key] is not None}
    assert len(differences(one, other)) == len(differences(other, one))
