"""The CTC adapter on small models: one whose last layer is trained here on three real clips, and one of every architecture at random."""

import json
import math
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from small_tokenizers import LETTERS, letters, pieces
from speech_files import write_manifest

from askd_bench.audio import read_audio
from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_bench.evaluation.run import run
from askd_bench.models import load
from askd_bench.models.audio_inputs import AudioInputs
from askd_bench.models.confidence import TEMPERATURES
from askd_bench.models.ctc import LONGEST_IN_BATCH_S, peak_frames
from askd_bench.models.waveform import SHORTEST_SAMPLES, Waveform
from askd_bench.types import Transcription, Utterance

torch.set_num_threads(1)

SPOKEN = ("There are currently", "That conference is full.", "All circuits are busy now.")
WRITTEN = ("there are currently", "that conference is full", "all circuits are busy now")
SMALL = {
    "vocab_size": len(LETTERS), "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "initializer_range": 0.3, "pad_token_id": 0,
}  # fmt: skip
CONVOLUTIONS = {
    "conv_dim": (32,) * 4, "conv_stride": (5, 4, 4, 4), "conv_kernel": (10, 8, 8, 4), "num_feat_extract_layers": 4,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip


def load_transcriber(model: Path, **options: Any) -> Any:
    return load.load_transcriber(str(model), **{"threads": 1, "dtype": "float32", **options})


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    known = {utterance.reference: utterance for utterance in open_corpus("prompts")}
    return [known[reference] for reference in SPOKEN]


@pytest.fixture(scope="module")
def speech(utterances: list[Utterance]) -> list[np.ndarray]:
    return [read_audio(utterance.audio) for utterance in utterances]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that saves a small model of random weights on the waveform, with a tokenizer of letters."""

    def make(architecture: str = "Wav2Vec2", **config: Any) -> Path:
        folder = tmp_path_factory.mktemp("ctc") / architecture.lower()
        own = getattr(transformers, f"{architecture}Config")(
            **{**SMALL, **CONVOLUTIONS, "feat_extract_norm": "layer", "do_stable_layer_norm": True, **config}
        )
        torch.manual_seed(0)
        model = getattr(transformers, f"{architecture}ForCTC")(own)
        with torch.no_grad():
            model.lm_head.bias[:4] -= 2.0  # less of the blank and of special tokens
        model.save_pretrained(folder)
        extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=own.feat_extract_norm == "layer")
        transformers.Wav2Vec2Processor(extractor, letters(folder)).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="module")
def trained(make: Callable[..., Path], speech: list[np.ndarray]) -> Path:
    """A wav2vec 2.0 of random weights but for its last layer, which writes what is said in three clips."""
    folder = make()
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


def test_text_equals_transformers(trained: Path, make: Callable[..., Path], speech: list[np.ndarray]) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(trained)
    for folder in (trained, make("WavLM")):
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


# --- architectures -----------------------------------------------------------------------------------------------------------------------

SPECTROGRAM_ENCODER = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "subsampling_conv_channels": 8,
    "initializer_range": 0.3,
}  # fmt: skip


@pytest.fixture(scope="module")
def make_spectral(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that saves a small model of random weights on a spectrogram, with a tokenizer of pieces."""
    last = ("<s>", "</s>", "<unk>", "<pad>")

    def make(architecture: str) -> Path:
        folder = tmp_path_factory.mktemp("ctc") / architecture.lower()
        kind = transformers.ParakeetTokenizer if architecture != "Wav2Vec2Bert" else transformers.PreTrainedTokenizerFast
        tokenizer = pieces(64, special=last, kind=kind)
        common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        if architecture == "Parakeet":
            encoder = transformers.ParakeetEncoderConfig(**SPECTROGRAM_ENCODER)
            config, extractor = transformers.ParakeetCTCConfig(encoder_config=encoder, **common), transformers.ParakeetFeatureExtractor()
        elif architecture == "Lasr":
            encoder = transformers.LasrEncoderConfig(**SPECTROGRAM_ENCODER, num_key_value_heads=2)
            config, extractor = transformers.LasrCTCConfig(encoder_config=encoder, **common), transformers.LasrFeatureExtractor()
        else:
            config, extractor = transformers.Wav2Vec2BertConfig(**{**SMALL, **common}), transformers.SeamlessM4TFeatureExtractor()
        torch.manual_seed(0)
        getattr(transformers, f"{architecture}ForCTC")(config).save_pretrained(folder)
        for part in (extractor, tokenizer):
            part.save_pretrained(folder)
        return folder

    return make


def alone_and_together(folder: Path, speech: list[np.ndarray]) -> tuple[Any, list[Transcription], list[Transcription]]:
    transcriber = load_transcriber(folder)
    features = [transcriber.frontend(clip) for clip in speech]
    return transcriber, [transcriber.transcribe([one])[0] for one in features], transcriber.transcribe(features)


def check_alike(alone: list[Transcription], together: list[Transcription]) -> None:
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        assert one.text
        np.testing.assert_allclose(one.token_logprobs, other.token_logprobs, atol=1e-3)
        assert " ".join(word.text for word in one.words).split() == one.text.split()


@pytest.mark.parametrize(
    ("architecture", "config", "in_batches"),
    [
        ("Hubert", {}, True),
        ("Hubert", {"feat_extract_norm": "group", "do_stable_layer_norm": False}, False),
        ("WavLM", {}, True),
        ("UniSpeech", {}, True),
        ("UniSpeechSat", {}, True),
        ("SEW", {"squeeze_factor": 2}, True),
        ("SEWD", {"squeeze_factor": 2}, True),
        ("Wav2Vec2", {"feat_extract_norm": "group", "do_stable_layer_norm": False}, False),
        ("Wav2Vec2", {"add_adapter": True, "output_hidden_size": 64, "num_adapter_layers": 1}, False),
        ("Wav2Vec2Conformer", {}, False),
        ("Data2VecAudio", {"conv_pos_kernel_size": 5, "num_conv_pos_embeddings": 5}, False),
    ],
)
def test_architectures_on_the_waveform(
    architecture: str, config: dict[str, Any], in_batches: bool, make: Callable[..., Path], speech: list[np.ndarray]
) -> None:
    folder = make(architecture, **config)
    transcriber, alone, together = alone_and_together(folder, speech)
    check_alike(alone, together)
    assert transcriber.window_s == (LONGEST_IN_BATCH_S if in_batches else 0.0)
    assert transcriber.card.architecture == f"{architecture}ForCTC"
    assert transcriber.card.macs_per_second is None


@pytest.mark.parametrize("architecture", ["Parakeet", "Lasr", "Wav2Vec2Bert"])
def test_architectures_on_a_spectrogram(architecture: str, make_spectral: Callable[[str], Path], speech: list[np.ndarray]) -> None:
    folder = make_spectral(architecture)
    transcriber, alone, together = alone_and_together(folder, speech)
    check_alike(alone, together)
    assert transcriber.window_s == LONGEST_IN_BATCH_S
    np.testing.assert_array_equal(transcriber.frontend(speech[0]), speech[0])
    model = transformers.AutoModelForCTC.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor([speech[0]], sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits[0]
    if architecture == "Parakeet":  # whose own decoding drops what is of padding
        ids = model.generate(**inputs)[0].tolist()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        text = tokenizer.decode([token for token, _ in groupby(ids)], group_tokens=False, skip_special_tokens=True)
        assert alone[0].text == text.strip()
    assert max(alone[0].token_logprobs) == pytest.approx(
        torch.log_softmax(logits, -1).max(-1).values[[token not in range(4) for token in logits.argmax(-1)]].max().item(), abs=1e-3
    )


def test_padding_would_change_what_is_decoded_alone(make: Callable[..., Path], speech: list[np.ndarray]) -> None:
    """The reason why some are not batched, so that none of them is kept from it for nothing."""
    for architecture, config in (
        ("Wav2Vec2", {"feat_extract_norm": "group", "do_stable_layer_norm": False}),
        ("Wav2Vec2Conformer", {}),
        ("Data2VecAudio", {"conv_pos_kernel_size": 5, "num_conv_pos_embeddings": 5}),
    ):
        folder = make(architecture, **config)
        model = transformers.AutoModelForCTC.from_pretrained(folder).eval()
        short, long = (torch.from_numpy(Waveform(standardise=True)(speech[i])) for i in (0, 2))
        padded = torch.zeros(1, len(long))
        padded[0, : len(short)] = short
        mask = (torch.arange(len(long)) < len(short)).long()[None]
        with torch.inference_mode():
            alone = model(short[None]).logits[0]
            beside = model(padded, attention_mask=mask).logits[0, : len(alone)]
        assert (alone - beside).abs().max() > 0.01


# --- inputs ------------------------------------------------------------------------------------------------------------------------------


def test_the_front_end_equals_transformers(speech: list[np.ndarray]) -> None:
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    for clip in speech:
        [expected] = extractor(clip, sampling_rate=16_000, return_tensors="np").input_values
        features = Waveform(standardise=True)(clip)
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features, expected)


@pytest.mark.parametrize("num_samples", [1, 399, SHORTEST_SAMPLES - 1, SHORTEST_SAMPLES])
def test_the_shortest_clips(
    num_samples: int, trained: Path, make_spectral: Callable[[str], Path], speech: list[np.ndarray], heard: list[Transcription]
) -> None:
    transcriber = load_transcriber(trained)
    short = transcriber.frontend(speech[0][:num_samples])
    assert short.shape == (SHORTEST_SAMPLES,)
    beside = transcriber.transcribe([short, transcriber.frontend(speech[1])])
    assert [one.text for one in beside] == [transcriber.transcribe([short])[0].text, heard[1].text]
    for architecture in ("Parakeet", "Lasr", "Wav2Vec2Bert"):
        model = load_transcriber(make_spectral(architecture))
        assert len(model.transcribe([model.frontend(speech[0][:num_samples])])) == 1


def test_frames_of_padding_emit_nothing(make: Callable[..., Path], speech: list[np.ndarray]) -> None:
    """The model writes "z" wherever it hears nothing, so also in padding: beside a long clip none more than alone."""
    folder = make()
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


def test_a_tensor_of_training_may_be_missing(make: Callable[..., Path]) -> None:
    """wav2vec2-base-960h and others have no `masked_spec_embed`: it is zero then, the same every time; any other tensor must be there."""
    folder = make()
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


@pytest.mark.parametrize(("option", "value"), [("language", "de"), ("task", "translate"), ("num_beams", 4)])
def test_options_that_it_does_not_take(option: str, value: object, trained: Path) -> None:
    refused(trained, rf"{option}: {value!r} cannot be set for a CTC model.*allowed: ", **{option: value})


def test_parts_that_do_not_fit(make: Callable[..., Path]) -> None:
    folder = make()
    config = json.loads((folder / "processor_config.json").read_text())
    config["feature_extractor"]["sampling_rate"] = 8000
    (folder / "processor_config.json").write_text(json.dumps(config))
    refused(folder, r"feature extractor for 8000 Hz \(allowed: 16000 Hz\)")
    (folder / "processor_config.json").unlink()
    refused(folder, "cannot be loaded")


def test_outputs_that_overflow_are_one_line(make: Callable[..., Path], speech: list[np.ndarray]) -> None:
    transcriber = load_transcriber(make())
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


def test_a_run(trained: Path, make: Callable[..., Path], utterances: list[Utterance], tmp_path: Path) -> None:
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
    assert result.signature["model"]["decoding"]["token_confidence"] == "peak frame"
    group = make(feat_extract_norm="group", do_stable_layer_norm=False)
    [result] = run("noisy", str(group), output=tmp_path / "alone", workers=0, **options)
    assert {row["batch"] for row in written(result)} == {1}
