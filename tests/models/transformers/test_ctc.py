"""The CTC adapter on a small model whose last layer is trained here on three real clips; architectures: test_ctc_architectures."""

import json
import math
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from small_ctc import save_spectrogram_model, save_waveform_model
from small_tokenizers import LETTERS
from speech_files import write_manifest

from askd_bench.errors import UserError
from askd_bench.evaluation.run import run
from askd_bench.models import load
from askd_bench.models.decoding.confidence import TEMPERATURES
from askd_bench.models.features.audio_inputs import AudioInputs
from askd_bench.models.features.waveform import SHORTEST_SAMPLES, Waveform
from askd_bench.models.transformers.ctc import LONGEST_IN_BATCH_S, peak_frames
from askd_bench.types import Transcription, Utterance

torch.set_num_threads(1)

WRITTEN = ("there are currently", "that conference is full", "all circuits are busy now")


def load_transcriber(model: Path, **options: Any) -> Any:
    return load.load_transcriber(str(model), **{"threads": 1, "dtype": "float32", **options})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, speech: list[np.ndarray]) -> Path:
    """A wav2vec 2.0 of random weights but for its last layer, which writes what is said in three clips."""
    folder = save_waveform_model(tmp_path_factory.mktemp("ctc"))
    model = transformers.Wav2Vec2ForCTC.from_pretrained(folder).eval()
    labels = [torch.tensor([LETTERS.index(letter) for letter in text.replace(" ", "|")]) for text in WRITTEN]
    with torch.no_grad():
        states = [model.wav2vec2(torch.from_numpy(Waveform(standardise=True)(clip))[None]).last_hidden_state[0] for clip in speech]
    lengths = torch.tensor([len(one) for one in states]), torch.tensor([len(one) for one in labels])
    padded = torch.nn.utils.rnn.pad_sequence(states)
    optimiser = torch.optim.Adam(model.lm_head.parameters(), lr=0.05)
    for _ in range(500):
        loss = torch.nn.functional.ctc_loss(torch.log_softmax(model.lm_head(padded), -1), torch.cat(labels), *lengths, blank=0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def heard(trained: Path, speech: list[np.ndarray]) -> list[Transcription]:
    """What the trained model makes of the clips, in one batch of three lengths."""
    transcriber = load_transcriber(trained)
    return transcriber.transcribe([transcriber.frontend(clip) for clip in speech])


def logits_of(folder: Path, clip: np.ndarray) -> np.ndarray:
    """Outputs for a clip alone, as transformers' documentation has it, in double precision; shape (num_frames, vocabulary)."""
    model = transformers.AutoModelForCTC.from_pretrained(folder).eval()
    inputs = transformers.AutoFeatureExtractor.from_pretrained(folder)(clip, sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        return model(**inputs).logits[0].double().numpy()


def test_doubled_letters_are_kept(heard: list[Transcription], trained: Path, speech: list[np.ndarray]) -> None:
    assert [one.text for one in heard] == list(WRITTEN)
    ids = logits_of(trained, speech[1]).argmax(-1)
    without_blanks = [LETTERS[token] for token, _ in groupby(ids[ids != 0])]
    assert "".join(without_blanks).replace("|", " ") == "that conference is ful", "dropping blanks first would lose a letter"


def test_text_equals_transformers(trained: Path, tmp_path: Path, speech: list[np.ndarray]) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(trained)
    for folder in (trained, save_waveform_model(tmp_path, "WavLM")):
        transcriber = load_transcriber(folder)
        for clip, one in zip(speech, transcriber.transcribe([transcriber.frontend(clip) for clip in speech]), strict=True):
            written = tokenizer.decode(logits_of(folder, clip).argmax(-1))
            for special in ("<s>", "</s>", "<unk>"):
                written = written.replace(special, "")
            assert one.text.split() == written.split()


def test_confidences_equal_an_independent_computation(heard: list[Transcription], trained: Path, speech: list[np.ndarray]) -> None:
    longest = 0
    for clip, one in zip(speech, heard, strict=True):
        logits = logits_of(trained, clip)
        tokens, frames = [], []
        for frame, token in enumerate(logits.argmax(-1)):
            if token != 0 and (frame == 0 or logits[frame - 1].argmax() != token):
                tokens.append(token)
                frames.append([])
            if token != 0:
                frames[-1].append(frame)

        def log_softmax(scores: np.ndarray) -> np.ndarray:
            return scores - np.log(np.exp(scores - scores.max(-1, keepdims=True)).sum(-1, keepdims=True)) - scores.max(-1, keepdims=True)

        logprobs = log_softmax(logits)
        peaks = [max(run, key=lambda frame: logprobs[frame, token]) for token, run in zip(tokens, frames, strict=True)]
        spoken = [i for i, token in enumerate(tokens) if LETTERS[token].isalpha()]
        longest = max(longest, *map(len, frames))
        assert one.word_tokens == tuple(map(len, one.text.split()))
        chosen, at = [tokens[i] for i in spoken], [peaks[i] for i in spoken]
        np.testing.assert_allclose(one.token_logprobs, logprobs[at, chosen], atol=1e-4)
        entropies = -(np.exp(logprobs) * logprobs).sum(-1) / math.log(len(LETTERS))
        np.testing.assert_allclose(one.token_entropies, entropies[at], atol=1e-4)
        assert set(one.tempered_logprobs) == set(TEMPERATURES)
        for temperature, eighths in zip(TEMPERATURES, (2, 4, 5, 6, 7, 9, 10, 12, 16), strict=True):
            np.testing.assert_allclose(one.tempered_logprobs[temperature], log_softmax(logits * eighths / 8)[at, chosen], atol=1e-4)
        start = 0
        for word in one.words:
            own = one.token_logprobs[start : start + len(word.text)]
            assert word.confidence == pytest.approx(math.exp(min(own)))
            start += len(word.text)
    assert longest > 1, "some token has a choice of frames"


def test_words_are_the_text(heard: list[Transcription]) -> None:
    for one in heard:
        assert [word.text for word in one.words] == one.text.split()
        assert sum(one.word_tokens) == len(one.token_logprobs) == len(one.token_entropies)
        assert not one.long_form


def test_the_batch_changes_nothing(heard: list[Transcription], trained: Path, speech: list[np.ndarray]) -> None:
    transcriber = load_transcriber(trained)
    assert transcriber.window_s == LONGEST_IN_BATCH_S
    features = [transcriber.frontend(clip) for clip in speech]
    for chosen in ([0], [2, 0], [1, 1, 0, 2]):
        for i, one in zip(chosen, transcriber.transcribe([features[i] for i in chosen]), strict=True):
            assert one.text == heard[i].text
            np.testing.assert_allclose(one.token_logprobs, heard[i].token_logprobs, atol=1e-4)
    assert transcriber.transcribe([]) == []


@pytest.mark.parametrize("num_samples", [1, 399, SHORTEST_SAMPLES - 1, SHORTEST_SAMPLES])
def test_the_shortest_clips(num_samples: int, trained: Path, tmp_path: Path, speech: list[np.ndarray], heard: list[Transcription]) -> None:
    transcriber = load_transcriber(trained)
    short = transcriber.frontend(speech[0][:num_samples])
    assert short.shape == (SHORTEST_SAMPLES,)
    beside = transcriber.transcribe([short, transcriber.frontend(speech[1])])
    assert [one.text for one in beside] == [transcriber.transcribe([short])[0].text, heard[1].text]
    for architecture in ("Parakeet", "Lasr", "Wav2Vec2Bert"):
        model = load_transcriber(save_spectrogram_model(tmp_path, architecture))
        assert len(model.transcribe([model.frontend(speech[0][:num_samples])])) == 1


def test_frames_of_padding_emit_nothing(tmp_path: Path, speech: list[np.ndarray]) -> None:
    """The model writes "z" wherever it hears nothing, so also in padding: beside a long clip none more than alone."""
    folder = save_waveform_model(tmp_path)
    model = transformers.Wav2Vec2ForCTC.from_pretrained(folder)
    with torch.no_grad():
        model.lm_head.weight.mul_(0.0)
        model.lm_head.bias.copy_(torch.eye(len(LETTERS))[LETTERS.index("z")] * 5)
    model.save_pretrained(folder)
    transcriber = load_transcriber(folder)
    inputs: AudioInputs = transcriber._inputs
    _, mask = inputs([transcriber.frontend(speech[0]), transcriber.frontend(speech[2])])
    assert mask.sum(-1).tolist() == [len(speech[0]), len(speech[2])]
    one, two = transcriber.transcribe([transcriber.frontend(speech[0]), transcriber.frontend(speech[2])])
    assert one.text == two.text == "z"
    assert transcriber._frames(mask, 89) == [68, 89]
    with torch.no_grad():
        transcriber._model.lm_head.bias[0] = 9.0
    assert transcriber.transcribe([transcriber.frontend(speech[0])])[0] == Transcription(
        text="", tempered_logprobs=dict.fromkeys(TEMPERATURES, ())
    )


def test_peaks() -> None:
    certainty = [-0.5, -0.1, -0.3, -0.2, -0.9, -0.4, -0.4]
    assert peak_frames([3, 3, 0, 3, 4, 4, 4], certainty, blank=0) == [1, 3, 5]
    assert peak_frames([0, 0], certainty, blank=0) == []
    assert peak_frames([], [], blank=0) == []


# --- loading -----------------------------------------------------------------------------------------------------------------------------


def refused(folder: Path, said: str, **options: Any) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_transcriber(folder, **options)
    assert "\n" not in str(caught.value)


def test_a_tensor_of_training_may_be_missing(tmp_path: Path) -> None:
    """wav2vec2-base-960h and others have no `masked_spec_embed`: it is zero then, the same every time; any other tensor must be there."""
    folder = save_waveform_model(tmp_path)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    del tensors["wav2vec2.masked_spec_embed"]
    save_file(tensors, file, metadata={"format": "pt"})
    digests = set()
    for seed in range(2):
        torch.manual_seed(seed)
        digests.add(load_transcriber(folder).card.weights_sha256)
    assert len(digests) == 1
    del tensors["lm_head.bias"]
    save_file(tensors, file, metadata={"format": "pt"})
    refused(folder, r"lacks 1 of the tensors that its config.json asks for, e.g. lm_head.bias")


@pytest.mark.parametrize(("option", "value"), [("language", "de"), ("task", "translate"), ("num_beams", 4), ("audio_context", "64")])
def test_options_that_it_does_not_take(option: str, value: object, trained: Path) -> None:
    refused(trained, rf"{option}: {value!r} cannot be set for a CTC model.*allowed: ", **{option: value})


def test_parts_that_do_not_fit(tmp_path: Path) -> None:
    folder = save_waveform_model(tmp_path)
    config = json.loads((folder / "processor_config.json").read_text())
    config["feature_extractor"]["sampling_rate"] = 8000
    (folder / "processor_config.json").write_text(json.dumps(config))
    refused(folder, r"feature extractor for 8000 Hz \(allowed: 16000 Hz\)")
    (folder / "processor_config.json").unlink()
    refused(folder, "cannot be loaded")


def test_outputs_that_overflow_are_one_line(tmp_path: Path, speech: list[np.ndarray]) -> None:
    transcriber = load_transcriber(save_waveform_model(tmp_path))
    with torch.no_grad():
        transcriber._model.lm_head.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="dtype: 'float32' makes this model's outputs overflow"):
        transcriber.transcribe([transcriber.frontend(speech[0])])


def test_half_precision(trained: Path, speech: list[np.ndarray], heard: list[Transcription]) -> None:
    transcriber = load_transcriber(trained, dtype="bfloat16")
    [one] = transcriber.transcribe([transcriber.frontend(speech[1])])
    assert transcriber.card.dtype == "bfloat16"
    assert len(one.text.split()) == len(heard[1].text.split()) == 4


# --- end to end --------------------------------------------------------------------------------------------------------------------------


def written(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (result.path / "utterances.jsonl").read_text().splitlines()]


def test_a_run(trained: Path, utterances: list[Utterance], tmp_path: Path) -> None:
    """Through a worker process, a batch of three for a model that can; one by one for another."""
    rows = [
        {"id": f"u{i}", "audio_filepath": str(one.audio), "text": one.reference, "duration": one.duration_s, "split": "test"}
        for i, one in enumerate(utterances)
    ]
    options = {"conditions": ["clean"], "corpus": [str(write_manifest(tmp_path / "corpus", rows))], "dtype": "float32", "threads": 1}
    [result] = run("noisy", str(trained), output=tmp_path / "together", workers=1, **options)
    assert {row["utterance"]: row["hypothesis"] for row in written(result)} == {f"u{i}": text for i, text in enumerate(WRITTEN)}
    assert {row["batch"] for row in written(result)} == {3}
    assert result.summary["pooled"]["metrics"]["wer"]["value"] == 0.0
    assert result.signature.model.decoding["token_confidence"] == "peak frame"
    group = save_waveform_model(tmp_path, feat_extract_norm="group", do_stable_layer_norm=False)
    [result] = run("noisy", str(group), output=tmp_path / "alone", workers=0, **options)
    assert {row["batch"] for row in written(result)} == {1}
