"""The witnesses of the transcript check: two recognisers of different makers, and an alignment.

They are needed only to repeat or extend the check, never to build: `whisper` wants a checkpoint folder (whisper-base was used), `moonshine`
wants moonshine-cpp 0.1.4 (Moonshine base, English), `align` wants pocketsphinx 5.1.1 (Gaussian mixtures and hidden Markov models).
"""

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import soundfile

from askd_bench.audio import read_audio
from askd_bench.types import SAMPLING_RATE, Samples
from build_corpora.agreement import spoken_words
from build_corpora.lines import read_manifest

FULL_SCALE = 32767


def hear(manifest: Path, transcribe: Callable[[Samples], str]) -> Iterator[str]:
    """Yield a JSON line, id and text, for every recording of a manifest."""
    for row in read_manifest(manifest.parent):
        samples = read_audio(manifest.parent / str(row["audio_filepath"]))
        yield json.dumps({"id": row["id"], "text": transcribe(samples)}, ensure_ascii=False)


def whisper(model_dir: str) -> Callable[[Samples], str]:
    """Return a greedy Whisper transcriber (30 s window, English, transcribe) from a checkpoint folder."""
    from transformers import AutoTokenizer, WhisperFeatureExtractor, WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(model_dir, dtype="float32").eval()
    features, tokenizer = WhisperFeatureExtractor.from_pretrained(model_dir), AutoTokenizer.from_pretrained(model_dir)
    options = {"language": "en", "task": "transcribe"} if model.generation_config.is_multilingual else {}

    def transcribe(samples: Samples) -> str:
        inputs = features(samples, sampling_rate=SAMPLING_RATE, return_tensors="pt").input_features
        tokens = model.generate(inputs, num_beams=1, do_sample=False, max_new_tokens=200, **options)
        return str(tokenizer.decode(tokens[0], skip_special_tokens=True)).strip()

    return transcribe


def moonshine() -> Callable[[Samples], str]:
    """Return a transcriber with the English base model inside moonshine-cpp."""
    from moonshine_cpp import MoonshineModel

    model = MoonshineModel()

    def transcribe(samples: Samples) -> str:
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "line.wav"
            soundfile.write(wav, samples, SAMPLING_RATE, subtype="PCM_16")
            return str(model.transcribe_wav(str(wav))).strip()

    return transcribe


def alignment_gain(samples: Samples, text: str, alternative: str, pronunciations: Iterable[str] = ()) -> float:
    """Return by how many nats the recording is likelier under `alternative` than under `text`, each force-aligned with all its words.

    Frames count as independent, so the figure is large as log-likelihoods go: we call 30 nats and more support for the alternative. A word
    without sound is stretched over its neighbours' frames and costs hundreds.

    Args:
        samples: float32, shape (num_samples,), 16 kHz.
        text: one transcript.
        alternative: the other.
        pronunciations: words the dictionary lacks, as "sharpish SH AA R P IH SH".

    Raises:
        ValueError: a word has no pronunciation, or a text cannot be aligned at all.
    """
    from pocketsphinx import Decoder

    # Wide beams, so that a wrong text is aligned too; without bestpath, which would rescore the segments.
    decoder = Decoder(lm=None, loglevel="FATAL", bestpath=False, beam=1e-100, wbeam=1e-80, pbeam=1e-100)
    for entry in pronunciations:
        word, phones = entry.split(maxsplit=1)
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, phones, True)
    pcm = (samples * FULL_SCALE).astype("<i2").tobytes()

    def log_likelihood(words: list[str]) -> float:
        if unknown := [word for word in words if decoder.lookup_word(word) is None]:
            raise ValueError(f"no pronunciation of {unknown[0]!r}")
        decoder.set_align_text(" ".join(words))
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            raise ValueError(f"cannot align {' '.join(words)!r}")
        return sum(1024 * math.log(segment.ascore) for segment in decoder.seg())  # scores are kept shifted right by ten bits

    return log_likelihood(spoken_words(alternative)) - log_likelihood(spoken_words(text))
