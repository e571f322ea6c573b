"""The gallery plays what the models heard, says so where it cannot, and marks every word as the scoring does."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from page_results import REAL, TEACHER, some_rows, student, write_result

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_bench.metrics.utterance import mark
from askd_bench.paths import SUITES_DIR
from askd_bench.report.page.audio import opus
from askd_bench.report.page.gallery import Gallery, gallery
from askd_bench.report.page.sections import open_sections
from askd_bench.results import Result
from askd_bench.signature import SIGNATURE_FILE
from askd_bench.suites import load_suite
from askd_bench.text import DEFAULT_NORMALISER

FEW = some_rows(24, ("clean", "babble-0dB"))


def shown(*results: Path, size: int = 2, seed: int = 0, suites: tuple[Path, ...] = ()) -> Gallery:
    [section] = open_sections(results, normalizer=DEFAULT_NORMALISER, suites=suites)
    return gallery(section, size=size, seed=seed, normalizer=DEFAULT_NORMALISER, noise_dir=None)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_result(tmp_path_factory.mktemp("m"), TEACHER, FEW)


def changed_signature(result: Path, **changes: Any) -> None:
    file = result / SIGNATURE_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_the_choice_hangs_on_seed_and_ids_alone(result: Path, tmp_path: Path) -> None:
    def chosen(path: Path, size: int, seed: int = 0) -> list[str]:
        return [exhibit.utterance for exhibit in shown(path, size=size, seed=seed).exhibits]

    other = write_result(tmp_path, "other", FEW, student("x", error_rate=0.9))
    rows = (other / "utterances.jsonl").read_text().splitlines()
    (other / "utterances.jsonl").write_text("\n".join(reversed(rows)) + "\n")
    three = chosen(result, 3)
    assert chosen(other, 3) == three
    assert chosen(result, 2) == three[:2], "a larger gallery only adds"
    assert chosen(result, 3, seed=1) != three
    assert shown(result, size=0) == Gallery((), "", ())


def test_speakers_take_turns(result: Path) -> None:
    speakers = {row.utterance: row.speaker for row in Result.open(result).rows() if row.split == "test"}
    count = len(set(speakers.values()))
    assert 1 < count < len(speakers)
    chosen = [speakers[exhibit.utterance] for exhibit in shown(result, size=count).exhibits]
    assert len(set(chosen)) == count, "each once before any twice"


def test_only_what_every_model_heard_is_chosen(result: Path, tmp_path: Path) -> None:
    few = write_result(tmp_path, "few", some_rows(6, ("clean",)))
    utterances = {row.utterance for row in Result.open(few).rows() if row.split == "test"}
    exhibits = shown(result, few, size=1000).exhibits
    assert {exhibit.utterance for exhibit in exhibits} == utterances
    assert all(
        [heard.model for heard in under.heard] == [TEACHER, "few"] for one in exhibits for under in one.under if under.condition == "clean"
    )


def test_long_clips_come_last(tmp_path: Path) -> None:
    long = write_result(
        tmp_path, "m", some_rows(10, ("clean",)), lambda row: row | {"duration_s": 20.0 if row["utterance"] < "fotaq-5" else 2.0}
    )
    chosen = [exhibit.utterance for exhibit in shown(long, size=1000).exhibits]
    assert sorted(chosen, key=lambda name: name < "fotaq-5") == chosen
    assert {name < "fotaq-5" for name in chosen} == {True, False}


def test_the_audio_is_what_the_model_heard(result: Path) -> None:
    exhibits = shown(result).exhibits
    assert all(under.checked and not under.heard[0].warning for one in exhibits for under in one.under)
    rows = {(row.condition, row.utterance): row for row in Result.open(result).rows()}
    for exhibit in exhibits:
        assert [under.condition for under in exhibit.under] == ["clean", "babble-0dB"]
        for under in exhibit.under:
            assert under.clip.sha256 == rows[under.condition, exhibit.utterance].audio_sha256
            assert under.clip.uri is not None
            packed = base64.b64decode(under.clip.uri.removeprefix("data:audio/ogg;base64,"))
            samples, rate = soundfile.read(io.BytesIO(packed))
            assert len(samples) / rate == pytest.approx(rows[under.condition, exhibit.utterance].duration_s, abs=0.05)


def test_opus_keeps_the_sound_and_is_small_and_the_same_every_time() -> None:
    speech = read_audio(next(iter(open_corpus("prompts"))).audio)
    noisy = np.clip(speech + 0.05 * np.random.default_rng(0).standard_normal(len(speech)), -1, 1).astype(np.float32)
    for samples in (speech, noisy):
        packed = opus(samples)
        assert packed == opus(samples)
        heard, rate = soundfile.read(io.BytesIO(packed))
        assert rate == 16_000
        assert len(heard) == len(samples), "not a sample more or less"
        assert len(packed) < 6_000 * (len(samples) / rate + 0.5)
    heard, _ = soundfile.read(io.BytesIO(opus(speech)))
    assert np.corrcoef(heard, speech)[0, 1] > 0.95


def test_a_hash_that_differs_is_told(tmp_path: Path) -> None:
    other = write_result(tmp_path, "m", FEW, lambda row: row | ({"audio_sha256": "0" * 64} if row["condition"] == "clean" else {}))
    found = shown(other)
    for under in (under for one in found.exhibits for under in one.under):
        assert under.checked == (under.condition != "clean")
        assert under.heard[0].warning == ("not the audio this model heard: the hash differs" if under.condition == "clean" else "")
    [problem] = found.problems
    assert problem.startswith("2 renderings differ from what a model heard, first ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"suite": {"name": "mine", "version": 3, "fingerprint": "0", "baseline": "clean"}}, "suite mine-v3 is not at hand as it was run"),
        ({"talkers": {"name": "gone", "fingerprint": "0"}}, "corpus: 'gone' is unknown"),
    ],
)
def test_why_there_is_no_audio(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    other = write_result(tmp_path, "m", FEW)
    changed_signature(other, **changes)
    found = shown(other)
    assert found.problems[0].startswith(f"No audio: {reason}"), found.problems
    assert all(under.clip.uri is None and under.clip.reason for one in found.exhibits for under in one.under)
    assert found.exhibits[0].under[0].heard[0].runs, "what was written is shown nevertheless"


def test_recordings_that_are_gone(tmp_path: Path) -> None:
    other = write_result(tmp_path, "m", FEW, lambda row: row | {"utterance": f"gone-{row['utterance']}"})
    assert shown(other).problems == ("No audio: corpus 'dialogue' no longer has these utterances",)


def test_a_suite_of_ones_own_sounds_where_its_file_is_named(tmp_path: Path) -> None:
    """The same conditions under another name are other audio: the hashes of the packaged rows cannot agree, but there is sound."""
    file = tmp_path / "mine.toml"
    file.write_text((SUITES_DIR / "noisy.toml").read_text().replace('name = "noisy"', 'name = "mine"'))
    suite = load_suite(file)
    other = write_result(tmp_path, "m", FEW)
    changed_signature(other, suite={"name": "mine", "version": 1, "fingerprint": suite.fingerprint, "baseline": "clean"})
    [exhibit] = shown(other, size=1, suites=(file,)).exhibits
    clean, babble = exhibit.under
    assert clean.clip.uri
    assert babble.clip.uri
    assert clean.checked, "nothing is drawn at random in clean speech"
    assert not babble.checked


def test_words_are_marked_as_they_are_scored(result: Path) -> None:
    rows = {(row.condition, row.utterance): row for row in Result.open(result).rows()}
    found = shown(result, size=24)
    kinds: dict[str, int] = {}
    folded = 0
    for exhibit in found.exhibits:
        for under in exhibit.under:
            words = mark(rows[under.condition, exhibit.utterance])
            tokens = [token for _, run in under.heard[0].runs for token in run]
            assert [(t.kind, t.hypothesis, t.reference) for t in tokens] == [(w.kind, w.hypothesis or "", w.reference or "") for w in words]
            wrong = sum(word.kind != "hit" for word in words)
            assert under.heard[0].errors.startswith(f"{wrong} error")
            folded += sum(fold for fold, _ in under.heard[0].runs)
            for token, word in zip(tokens, words, strict=True):
                kinds[token.kind] = kinds.get(token.kind, 0) + 1
                if token.kind in ("hit", "deletion"):
                    assert token.sureness == ""
                elif word.confidence is not None:
                    assert (token.sureness == "sure") == (word.confidence > 0.7), "as confident errors are counted"
                    assert f"confidence {word.confidence:.2f}" in token.about
    assert set(kinds) == {"hit", "substitution", "deletion", "insertion"}
    assert folded, "long inventions are folded"


def test_without_a_hypothesis_the_error_is_shown(tmp_path: Path) -> None:
    lost = {"hypothesis": None, "error": "lost", "words": [], "word_tokens": [], "token_logprobs": [], "token_entropies": []}
    other = write_result(tmp_path, "m", FEW, lambda row: row | lost | {"tempered_logprobs": {}} if row["condition"] == "clean" else row)
    clean = shown(other).exhibits[0].under[0]
    assert (clean.heard[0].failure, clean.heard[0].runs) == ("lost", ())
    assert clean.clip.uri, "the recording itself can be heard"


def test_the_packaged_rows_are_those_of_this_machine() -> None:
    """Every chosen rendering of the packaged result, under all its conditions, has the packaged hash."""
    found = shown(REAL / "prompts", size=1)
    assert [under.condition for under in found.exhibits[0].under] == list(Result.open(REAL / "prompts").signature().conditions)
    assert all(under.checked for under in found.exhibits[0].under)
