"""Whole runs of askd-bench against what a user would write instead, on the same audio, model, type and threads; prints the ratios.

    python tests/benchmarks/speed_comparison.py                        # float32, batch 1 and 16
    python tests/benchmarks/speed_comparison.py --dtype bfloat16
    python tests/benchmarks/speed_comparison.py --ctranslate2          # against faster-whisper's batched pipeline (needs faster-whisper)

(a) transformers' ASR pipeline, greedy (its default is five beams); (b) the core of the Open ASR Leaderboard's transformers loop
(`transformers/run_eval.py`: processor, `generate`, `batch_decode`); (c) faster-whisper. They get audio that is already decoded and
perturbed, and give text; askd-bench also decodes files, perturbs, measures confidences, and stores rows. Contenders take turns, so that
what else the machine is doing falls on all alike; the median of the rounds counts. The machine's load is printed, and beside the clock's
seconds processor seconds, of workers too, which depend less on that load. Loading models, and a first pass of each, are not counted.

Torch is imported inside functions: our rendering worker imports this file too, as it would import a user's script.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from askd_bench.corpora import open_corpus, select
from askd_bench.evaluation.profile import Profile
from askd_bench.models.names import DEFAULT_MODEL, bundled_models
from askd_bench.perturbations.base import Scene
from askd_bench.rendering import render
from askd_bench.results import Result
from askd_bench.suites import load_suite
from askd_bench.types import SAMPLING_RATE, Samples, Utterance

SUITE, CONDITIONS = "noisy", ("clean", "speech-shaped-10dB")
Contender = Callable[[int], tuple[float, list[str]]]
"""Batch size -> (seconds, texts)."""


def main() -> None:
    """Race, and print a table."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=64, help="of the bundled dialogue, under two conditions each")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ctranslate2", action="store_true", help="the CTranslate2 path against faster-whisper")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = list(select(open_corpus("dialogue"), options.clips, split="test"))
    heard = audio(chosen)
    with tempfile.TemporaryDirectory() as scratch:
        contenders = faster_whisper(heard, Path(scratch), options) if options.ctranslate2 else transformers(heard, options)
        model = f"ctranslate2:{scratch}/export" if options.ctranslate2 else DEFAULT_MODEL
        contenders = {"askd-bench run": ours(model, chosen, Path(scratch), options), **contenders}
        for contend in contenders.values():
            contend(max(options.batch_sizes))  # the first pass allocates and compiles
        seconds_of_audio = sum(len(samples) for samples in heard) / SAMPLING_RATE
        print(f"{len(heard)} clips, {seconds_of_audio:.0f} s of audio, {options.dtype}, {options.threads} threads, {options.rounds} rounds")
        for batch_size in options.batch_sizes:
            race(contenders, batch_size, options.rounds)


def race(contenders: dict[str, Contender], batch_size: int, rounds: int) -> None:
    """Let all take turns at one batch size, and print medians, ratios to ours, and how many texts differ from ours."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    processor: dict[str, list[float]] = {name: [] for name in contenders}
    texts: dict[str, list[str]] = {}
    for _ in range(rounds):
        for name, contend in contenders.items():
            before = processor_s()
            took, texts[name] = contend(batch_size)
            seconds[name].append(took)
            processor[name].append(processor_s() - before)
    ours_name = next(iter(contenders))
    print(f"\nbatch {batch_size}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name in contenders:
        different = sum(a != b for a, b in zip(texts[ours_name], texts[name], strict=True))
        clock, ours_clock = (statistics.median(seconds[one]) for one in (name, ours_name))
        work, ours_work = (statistics.median(processor[one]) for one in (name, ours_name))
        spread = f"{min(seconds[name]):.1f} to {max(seconds[name]):.1f}"
        print(
            f"  {name:36} {clock:6.1f} s ({spread}), {clock / ours_clock:.2f}x ours; "
            f"processor {work:6.1f} s, {work / ours_work:.2f}x ours; {different} texts differ",
            flush=True,
        )


def processor_s() -> float:
    """Return the processor time of this process and of its ended children, user and system."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def audio(chosen: list[Utterance]) -> list[Samples]:
    """Return what is heard: all clips under the first condition, then under the second."""
    suite = load_suite(SUITE)
    scene = Scene()
    return [
        render(utterance, suite.conditions[condition], suite=suite.name, version=suite.version, scene=scene).samples
        for condition in CONDITIONS
        for utterance in chosen
    ]


def ours(model: str, chosen: list[Utterance], scratch: Path, options: argparse.Namespace) -> Contender:
    """Whole runs, from recordings on disk to rows and summary on disk; the time of loading the model is taken off."""
    from askd_bench.evaluation.run import run

    manifest = scratch / "clips.jsonl"
    manifest.write_text("".join(_line(utterance) for utterance in chosen))

    def contend(batch_size: int) -> tuple[float, list[str]]:
        profile, started = Profile(), time.perf_counter()
        settings: dict[str, Any] = {"dtype": options.dtype, "threads": options.threads, "batch_size": batch_size}
        settings |= {"corpus": [str(manifest)], "conditions": list(CONDITIONS), "limit": 0, "output": Path(tempfile.mkdtemp(dir=scratch))}
        [result] = run(SUITE, model, profile=profile, **settings)
        took = time.perf_counter() - started - profile.seconds["loading"]
        said = {(row.condition, row.utterance): row.hypothesis or "" for row in Result.open(result.path).rows()}
        return took, [said[condition, utterance.id] for condition in CONDITIONS for utterance in chosen]

    return contend


def _line(utterance: Utterance) -> str:
    record = {"id": utterance.id, "audio_filepath": str(utterance.audio), "text": utterance.reference, "duration": utterance.duration_s}
    return json.dumps(record) + "\n"


def transformers(heard: list[Samples], options: argparse.Namespace) -> dict[str, Contender]:
    """(a) and (b), in memory."""
    import torch
    from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor, pipeline

    folder, dtype = bundled_models()[DEFAULT_MODEL], getattr(torch, options.dtype)
    asr = pipeline("automatic-speech-recognition", model=str(folder), dtype=dtype)
    model = AutoModelForSpeechSeq2Seq.from_pretrained(folder, dtype=dtype).eval()
    processor = AutoProcessor.from_pretrained(folder)

    def by_pipeline(batch_size: int) -> tuple[float, list[str]]:
        started = time.perf_counter()
        inputs = ({"raw": samples, "sampling_rate": SAMPLING_RATE} for samples in heard)
        texts = [one["text"].strip() for one in asr(inputs, batch_size=batch_size, generate_kwargs={"num_beams": 1})]
        return time.perf_counter() - started, texts

    def by_loop(batch_size: int) -> tuple[float, list[str]]:
        started, texts = time.perf_counter(), []
        for start in range(0, len(heard), batch_size):
            inputs = processor(heard[start : start + batch_size], sampling_rate=SAMPLING_RATE, return_tensors="pt").to(dtype)
            with torch.inference_mode():
                ids = model.generate(**inputs, num_beams=1, do_sample=False)
            texts += [text.strip() for text in processor.batch_decode(ids, skip_special_tokens=True)]
        return time.perf_counter() - started, texts

    return {"(a) transformers pipeline": by_pipeline, "(b) Open ASR Leaderboard's loop": by_loop}


def faster_whisper(heard: list[Samples], scratch: Path, options: argparse.Namespace) -> dict[str, Contender]:
    """(c), on an export of the bundled checkpoint."""
    from ctranslate2.converters import TransformersConverter
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    folder = bundled_models()[DEFAULT_MODEL]
    files = [name for name in ("tokenizer.json", "preprocessor_config.json", "generation_config.json") if (folder / name).is_file()]
    TransformersConverter(str(folder), copy_files=files).convert(str(scratch / "export"), quantization=options.dtype)
    model = WhisperModel(str(scratch / "export"), device="cpu", compute_type=options.dtype, cpu_threads=options.threads)
    batched = BatchedInferencePipeline(model)

    def contend(batch_size: int) -> tuple[float, list[str]]:
        started, texts = time.perf_counter(), []
        for samples in heard:  # its batches are pieces of one recording: short clips come one by one
            whole = [{"start": 0.0, "end": len(samples) / SAMPLING_RATE}]
            segments, _ = batched.transcribe(
                samples.astype(np.float32),
                language="en",
                beam_size=1,
                batch_size=batch_size,
                without_timestamps=True,
                clip_timestamps=whole,
            )
            texts.append(" ".join(segment.text.strip() for segment in segments))
        return time.perf_counter() - started, texts

    return {"(c) faster-whisper, batched pipeline": contend}


if __name__ == "__main__":
    main()
