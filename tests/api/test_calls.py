"""`run` and its like as a Python caller meets them: any kind of model, one or several of anything, wrong things told in one line."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_transcriber import CARD, HashingTranscriber

import askd_bench
from askd_bench.errors import FigureWarning, UserError
from askd_bench.options import RunOptions
from askd_bench.types import SAMPLING_RATE, Samples, Transcription, Word

FEW: dict[str, Any] = {"conditions": "white-0dB", "workers": 0}


def how_long(samples: Samples) -> str:
    """Recognise nothing but the length."""
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    return f"{len(samples) / SAMPLING_RATE:.1f} seconds"


def how_long_and_sure(samples: Samples) -> Transcription:
    return Transcription(text=how_long(samples), words=(Word(how_long(samples).split()[0], 0.5), Word("seconds", 0.25)))


pytestmark = pytest.mark.filterwarnings("ignore::askd_bench.errors.FigureWarning")  # one recording of the small corpus is missing


def test_a_function_from_samples_to_text(small_corpus: Path, tmp_path: Path) -> None:
    [result] = askd_bench.run("noisy", how_long, corpus=small_corpus, output=tmp_path, **FEW)
    assert (result.model, result.corpus) == ("how_long", "small")
    heard = [row for row in result.rows() if row.error is None]
    assert {row.hypothesis for row in heard} == {f"{row.duration_s:.1f} seconds" for row in heard}
    assert all(word.confidence is None for row in heard for word in row.words)
    assert result.signature.model.weights_sha256 != "0" * 64


def test_a_function_that_is_sure(small_corpus: Path, tmp_path: Path) -> None:
    [result] = askd_bench.run("noisy", how_long_and_sure, corpus=small_corpus, output=tmp_path, **FEW)
    confidences = {word.confidence for row in result.rows() for word in row.words}
    assert confidences == {0.5, 0.25}
    assert result.summary["pooled"]["metrics"]["overconfidence_gap"]["value"] is not None


def test_a_function_goes_on_where_it_stopped_and_another_does_not(small_corpus: Path, tmp_path: Path) -> None:
    calls = []

    def recogniser(samples: Samples) -> str:
        calls.append(len(samples))
        return "yes"

    def other(samples: Samples) -> str:
        return "no"

    other.name = "recogniser"  # type: ignore[attr-defined]
    askd_bench.run("noisy", recogniser, corpus=small_corpus, output=tmp_path, **FEW)
    first = len(calls)
    askd_bench.run("noisy", recogniser, corpus=small_corpus, output=tmp_path, **FEW)
    assert (first > 0, len(calls)) == (True, first)
    with pytest.raises(UserError, match="holds another run's results"):
        askd_bench.run("noisy", other, corpus=small_corpus, output=tmp_path, **FEW)


def test_a_transcriber_and_several_models_at_once(small_corpus: Path, tmp_path: Path) -> None:
    results = askd_bench.run("noisy", [HashingTranscriber(), how_long], corpus=[small_corpus], output=str(tmp_path), **FEW)
    assert [one.model for one in results] == ["stub", "how_long"]
    assert all(isinstance(one.path, Path) and one.path.is_dir() for one in results)
    assert askd_bench.load_model(transcriber := HashingTranscriber()) is transcriber


def test_a_path_and_a_name_are_one_model(tmp_path: Path) -> None:
    from askd_bench.paths import CHECKPOINTS_DIR

    by_name, by_path = (askd_bench.load_model(model, threads=1) for model in ("whisper-tiny.en", CHECKPOINTS_DIR / "whisper-tiny.en"))
    assert by_name.card.weights_sha256 == by_path.card.weights_sha256


def test_options_as_an_object_by_name_and_both(small_corpus: Path, tmp_path: Path) -> None:
    options = RunOptions(corpus=small_corpus, output=tmp_path / "a", conditions="white-0dB", workers=0)
    [one] = askd_bench.run("noisy", how_long, options)
    [two] = askd_bench.run("noisy", how_long, options=options, output=tmp_path / "b", limit=2)
    assert one.path.relative_to(tmp_path / "a") == two.path.relative_to(tmp_path / "b")
    assert len(list(two.rows())) < len(list(one.rows()))


def test_recordings_that_failed_are_a_warning(small_corpus: Path, tmp_path: Path) -> None:
    with pytest.warns(FigureWarning, match="2 of 20 clips failed"):
        [result] = askd_bench.run("noisy", how_long, corpus=small_corpus, output=tmp_path, **FEW)
    assert result.failed == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        askd_bench.run("noisy", how_long, corpus="prompts", limit=2, output=tmp_path, **FEW)


def test_rendered_audio_is_what_a_run_hears(small_corpus: Path, tmp_path: Path) -> None:
    manifest = askd_bench.render("noisy", str(tmp_path / "audio"), corpus=small_corpus, **FEW)
    [result] = askd_bench.run("noisy", how_long, corpus=small_corpus, output=tmp_path / "results", **FEW)
    hashes = {row.audio_sha256 for row in result.rows() if row.audio_sha256 and row.split == "test"}
    assert hashes
    assert all(sha256 in manifest.read_text() for sha256 in hashes)


class Half:
    card = CARD

    def transcribe(self, features: Sequence[Any]) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: askd_bench.run("noisy", object()),
            "model: <object object at .*a name or path, a function from samples to text, or a Trans",
        ),
        (lambda: askd_bench.run("noisy", Half()), r"model: .*it lacks window_s, frontend\)"),
        (lambda: askd_bench.run("noisy", HashingTranscriber), "model: .* is of type type"),
        (lambda: askd_bench.run("noisy", []), "model: none is given"),
        (lambda: askd_bench.run("noisy", 3), "model: 3 is of type int"),
        (lambda: askd_bench.run(3), "suite: 3 is of type int"),
        (lambda: askd_bench.run("noisy", how_long, corpus=3), "corpus: 3 is of type int"),
        (lambda: askd_bench.run("noisy", how_long, limt=3), "option: 'limt' is unknown; did you mean 'limit'"),
        (lambda: askd_bench.run("noisy", how_long, {"limit": 3}), "options: .* is of type dict"),
        (lambda: askd_bench.run("noisy", how_long, dtype="float16"), "dtype: 'float16' cannot be set for a function"),
        (lambda: askd_bench.run("noisy", HashingTranscriber(), threads=2), "threads: 2 cannot be set for a Transcriber"),
        (lambda: askd_bench.render("noisy"), "out: is missing"),
        (lambda: askd_bench.render("noisy", 3), "out: 3 is of type int"),
        (lambda: askd_bench.load_model("whisper-tny.en"), "model: 'whisper-tny.en' is unknown; did you mean 'whisper-tiny.en'"),
        (lambda: askd_bench.compare(3, 4), "student: 3 is of type int"),
        (lambda: askd_bench.score(["a"]), "result_dir: .* is of type list"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(call: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said) as told:
        call()
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_what_a_function_gets_wrong_is_told(small_corpus: Path, tmp_path: Path) -> None:
    def broken(samples: Samples) -> str:
        raise KeyError("vocabulary")

    with pytest.raises(UserError, match=r"model: 'function:.*broken' raised KeyError: 'vocabulary' \(line \d+ of test_calls.py"):
        askd_bench.run("noisy", broken, corpus=small_corpus, output=tmp_path, **FEW)
    with pytest.raises(UserError, match="whose text is 3"):
        askd_bench.run("noisy", lambda samples: 3, corpus=small_corpus, output=tmp_path, **FEW)
