"""Several models in one run: the rows of separate runs, equal encoders run once, and batches that are too large halved."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_transcriber import CARD, HashingTranscriber

from askd_bench.errors import UserError
from askd_bench.evaluation import run as module
from askd_bench.evaluation.plan import Batch
from askd_bench.evaluation.run import run
from askd_bench.evaluation.transcribe import BatchTranscriber
from askd_bench.evaluation.workers import Prepared, Preparer
from askd_bench.models.load import load_transcriber
from askd_bench.rows import ROWS_FILE
from askd_bench.suites import Condition
from askd_bench.types import Row, Utterance

FAMILY = ("whisper-tiny.en", "whisper-tiny.en-kd-s0", "whisper-tiny.en-askd-s0")


def rows(folder: Path, model: str, corpus: str = "prompts") -> list[dict[str, Any]]:
    lines = (folder / model / "noisy-v1" / corpus / ROWS_FILE).read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "decode_s"} for line in lines]


def rows_of_batch(models: Sequence[Any], clips: Sequence[Any]) -> list[list[Row]]:
    """What models make of clips that they all take in the form of the first one's features."""
    numbers = range(len(models))
    preparer = Preparer(
        suite="s", version=1, talkers=(), noise_dir=None, frontends=[models[0].frontend], frontend_of=dict.fromkeys(numbers, 0)
    )
    utterances = [Utterance(id=f"u{i}", reference="", audio="") for i in range(len(clips))]
    prepared = [
        Prepared(utterance=one, features=[models[0].frontend(clip)], duration_s=1.0, audio_sha256=None, realised={}, error=None)
        for one, clip in zip(utterances, clips, strict=True)
    ]
    return BatchTranscriber(models, preparer).rows(Batch(Condition(id="clean"), utterances, numbers), prepared)


@pytest.fixture(scope="module")
def family() -> dict[str, Any]:
    return {name: load_transcriber(name, threads=1) for name in FAMILY}


def test_students_of_one_teacher_share_its_encoder_and_a_stranger_does_not(family: dict[str, Any]) -> None:
    assert len({one.encoder_key for one in family.values()}) == 1
    other = load_transcriber("whisper-tiny.en", threads=1, dtype="bfloat16")
    assert other.encoder_key != family["whisper-tiny.en"].encoder_key, "the states of another dtype are others"


def test_rows_are_those_of_separate_runs_and_the_encoder_runs_once(
    family: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "load_transcriber", lambda model, _: family[model])
    encoded: list[int] = []
    for one in family.values():
        encode = one.encode
        monkeypatch.setattr(one, "encode", lambda features, encode=encode: (encoded.append(len(features)), encode(features))[1])
    settings: dict[str, Any] = {"corpus": ["prompts"], "conditions": ["babble-10dB"], "limit": 3, "batch_size": 3, "workers": 0}
    together = run("noisy", FAMILY, output=tmp_path / "together", **settings)
    assert [(one.model, one.corpus) for one in together] == [(name, "prompts") for name in FAMILY]
    assert encoded == [1, 1, 1, 3, 3], "a warm-up each, then once a batch for all"
    for name in FAMILY:
        run("noisy", name, output=tmp_path / "alone", **settings)
        assert rows(tmp_path / "together", name) == rows(tmp_path / "alone", name)
    texts = {name: [row["hypothesis"] for row in rows(tmp_path / "alone", name)] for name in FAMILY}
    assert texts["whisper-tiny.en"] != texts["whisper-tiny.en-kd-s0"], "equal rows would prove nothing if the models were equal"


def test_a_shared_encoder_is_charged_to_each(family: dict[str, Any]) -> None:
    rows = rows_of_batch(list(family.values()), [np.zeros(16_000, np.float32)] * 2)
    encoder_s = 0.02  # far less than a real encoder takes, far more than reading a cache
    assert all((row.decode_s or 0.0) * row.batch > encoder_s for model in rows for row in model)


def test_models_at_different_stages_of_one_plan_go_on_together(small_corpus: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(model: str, options: Any) -> HashingTranscriber:
        return HashingTranscriber(card=CARD.model_copy(update={"id": model}))

    monkeypatch.setattr(module, "load_transcriber", load)
    settings: dict[str, Any] = {"corpus": [str(small_corpus)], "conditions": ["white-0dB"], "batch_size": 4, "workers": 0}
    run("noisy", ["a", "b"], output=tmp_path / "whole", **settings)
    run("noisy", ["a", "b"], output=tmp_path / "cut", **settings)
    for name, kept in (("a", 6), ("b", 17)):
        file = tmp_path / "cut" / name / "noisy-v1" / "small" / ROWS_FILE
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:kept]))
    run("noisy", ["a", "b"], output=tmp_path / "cut", **settings)
    for name in "ab":
        assert rows(tmp_path / "cut", name, "small") == rows(tmp_path / "whole", name, "small")


def test_two_models_of_one_name_are_refused(stub_model: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model: two of .* are called 'm'"):
        run("noisy", ["x/m", "y/m"], output=tmp_path)
    assert not list(tmp_path.iterdir())


class Small(HashingTranscriber):
    """Holds no more than so many utterances at once, and says so as torch's allocator on a CPU does."""

    holds = 3

    def transcribe(self, features: Sequence[Any]) -> list[Any]:
        if len(features) > self.holds:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory")
        return super().transcribe(features)


def test_too_large_a_batch_is_halved_until_it_fits_and_rows_say_so(
    small_corpus: Path, stub_model: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, "askd_bench")
    small = Small()
    monkeypatch.setattr(module, "load_transcriber", lambda *_, **__: small)
    settings: dict[str, Any] = {"corpus": [str(small_corpus)], "conditions": ["white-0dB"], "batch_size": 9, "workers": 0}
    run("noisy", "stub", output=tmp_path / "small", **settings)
    assert [message.split(": ")[1] for message in caplog.messages] == [
        "8 utterances together are too much for memory; going on with 4",
        "4 utterances together are too much for memory; going on with 2",
    ]
    halved = rows(tmp_path / "small", "stub", "small")
    assert {row["batch"] for row in halved if not row["error"]} <= {1, 2}
    stub_model(HashingTranscriber())
    run("noisy", "stub", output=tmp_path / "large", **settings)
    without_batch = [{**row, "batch": None} for row in halved]
    assert without_batch == [{**row, "batch": None} for row in rows(tmp_path / "large", "stub", "small")]


def test_other_errors_and_single_clips_are_not_halved(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(HashingTranscriber):
        def transcribe(self, features: Sequence[Any]) -> list[Any]:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    class Never(Small):
        holds = 0

    caplog.set_level(logging.INFO, "askd_bench")
    clips = [np.zeros(1600, np.float32)] * 2
    with pytest.raises(UserError, match=r"failed on . clips: RuntimeError: .*shapes"):
        rows_of_batch([Broken()], clips)
    with pytest.raises(UserError, match="allocate"):
        rows_of_batch([Never()], clips)
    assert len(caplog.messages) == 1, "two were halved to one, and one cannot be halved"
