"""Clean WER without this project's code, two ways, beside what the packaged results say: `python tools/independent_wer.py [CORPUS ...]`.

(a) transformers' ASR pipeline on audio decoded by librosa, scored by jiwer; (b) `generate` on features of transformers' extractor, audio
decoded by PyAV and resampled by scipy, scored by meeteval. Both: the bundled checkpoint, greedy, batch 1, transformers' own Whisper English
normaliser.
"""

import bz2
import json
import sys
from math import gcd
from pathlib import Path

import av
import jiwer
import librosa
import meeteval
import numpy as np
import scipy.signal
import torch
from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor, pipeline
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer
from whisper_normalizer.english import EnglishSpellingNormalizer

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINT = ROOT / "reference_results" / "checkpoints" / "whisper-tiny.en"
RATE = 16_000


def main() -> None:
    """Print the three figures for each corpus."""
    normalise = EnglishTextNormalizer(EnglishSpellingNormalizer().mapping)
    model = AutoModelForSpeechSeq2Seq.from_pretrained(CHECKPOINT, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(CHECKPOINT)
    asr = pipeline(
        "automatic-speech-recognition", model=model, tokenizer=processor.tokenizer, feature_extractor=processor.feature_extractor
    )
    for corpus in sys.argv[1:] or ["prompts", "dialogue"]:
        folder = ROOT / "suites" / "corpora" / corpus
        rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
        rows = [row for row in rows if row["split"] == "test"]
        references = [normalise(row["text"]) for row in rows]
        first, second = [], []
        for row in rows:
            path = folder / row["audio_filepath"]
            by_librosa = librosa.load(path, sr=RATE)[0] if path.suffix != ".g722" else decode(path)
            first.append(normalise(asr({"raw": by_librosa, "sampling_rate": RATE}, generate_kwargs={"num_beams": 1})["text"]))
            features = processor(decode(path), sampling_rate=RATE, return_tensors="pt").input_features
            second.append(normalise(processor.batch_decode(model.generate(features, num_beams=1), skip_special_tokens=True)[0]))
        a = 100 * jiwer.wer(references, first)
        counts = sum(meeteval.wer.wer.siso.siso_word_error_rate(r, h) for r, h in zip(references, second, strict=True))
        summary = ROOT / "reference_results" / "whisper-tiny.en" / "clean-v1" / corpus / "summary.json.bz2"
        ours = 100 * json.loads(bz2.decompress(summary.read_bytes()))["conditions"]["clean"]["metrics"]["wer"]["value"]
        b = 100 * counts.error_rate
        print(f"{corpus}, {len(rows)} clips: pipeline + jiwer {a:.2f} %, generate + meeteval {b:.2f} %, packaged {ours:.2f} %")


def decode(path: Path) -> np.ndarray:
    """Return mono float32 at 16 kHz."""
    with av.open(str(path), format="g722" if path.suffix == ".g722" else None) as container:
        stream = container.streams.audio[0]
        rate = stream.rate
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(stream)]
    samples = np.concatenate(frames)
    if np.issubdtype(samples.dtype, np.integer):  # by type: MP3 decodes to floats that may overshoot 1
        samples = samples / (np.iinfo(samples.dtype).max + 1)
    common = gcd(rate, RATE)
    return scipy.signal.resample_poly(samples, RATE // common, rate // common).astype(np.float32)


if __name__ == "__main__":
    main()
