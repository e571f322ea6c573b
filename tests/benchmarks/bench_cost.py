"""What a rendering and a transcription cost in processor time: `OMP_NUM_THREADS=1 pytest tests/benchmarks/bench_cost.py -n 0 -s`.

Processor seconds of one thread, not the clock's: other work on the machine changes them little. docs/MEASUREMENTS.md multiplies them.
"""

import bz2
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from askd_bench.corpora import open_corpus, select
from askd_bench.models.load import load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.models.protocol import SharesEncoder
from askd_bench.perturbations.base import Scene
from askd_bench.rendering import render
from askd_bench.results import Result
from askd_bench.suites import load_suite
from askd_bench.types import SAMPLING_RATE, Utterance

SUITES = ("clean", "noisy", "far-field", "telephony", "calls", "accents", "distortion")
CLIPS = 8
BATCH = 16
_PACKAGED = Path(__file__).resolve().parents[2] / "reference_results"


def clips(count: int) -> list[Utterance]:
    """Of every length, as `run --limit` takes them."""
    return [utterance for name in ("dialogue", "prompts") for utterance in select(open_corpus(name), count // 2, split="test")]


@contextmanager
def measured(spent: dict[str, float], part: str) -> Iterator[None]:
    started = time.process_time()
    yield
    spent[part] = spent.get(part, 0.0) + time.process_time() - started


def say(what: str, spent: dict[str, float], count: int, audio_s: float) -> None:
    seconds = ", ".join(f"{part} {s / count:.4f}" for part, s in spent.items())
    total = sum(spent.values())
    print(f"\n{what}: {seconds} s a clip, {total / audio_s:.4f} a second of audio ({count} clips, mean {audio_s / count:.2f} s)")


@pytest.mark.parametrize("name", SUITES)
def test_rendering(name: str) -> None:
    """Mean over the suite's default grid; the first clip of each condition is left out, since it may read noise or rooms."""
    suite, speech, spent = load_suite(name), clips(CLIPS), dict[str, float]()
    scene = Scene(speaker="nobody", talkers=tuple(open_corpus("accents")))
    with threadpool_limits(1):
        for condition in suite.select():
            for place, utterance in enumerate([speech[0], *speech]):
                with measured(spent, "rendering" if place else "first"):
                    render(utterance, condition, suite=suite.name, version=suite.version, scene=scene)
    del spent["first"]
    count = len(suite.select())
    say(f"{name}, {count} conditions", spent, count * len(speech), count * sum(u.duration_s or 0.0 for u in speech))


@pytest.mark.parametrize("name", ["clean", "babble-10dB"])
def test_transcribing(name: str) -> None:
    """The bundled model in float32, part by part."""
    model = load_transcriber(DEFAULT_MODEL, threads=1, dtype="float32", device="cpu")
    assert isinstance(model, SharesEncoder)
    suite, speech, spent = load_suite("noisy"), clips(2 * BATCH), dict[str, float]()
    scene = Scene(speaker="nobody", talkers=tuple(open_corpus("accents")))
    [condition] = [one for one in suite.select() if one.id == name]
    audio = [render(one, condition, suite=suite.name, version=suite.version, scene=scene).samples for one in speech]
    model.transcribe([model.frontend(audio[0])])
    with threadpool_limits(1):
        for start in range(0, len(audio), BATCH):
            with measured(spent, "front end"):
                features = [model.frontend(one) for one in audio[start : start + BATCH]]
            with measured(spent, "encoder"):
                encoded = model.encode(features)
            with measured(spent, "decoder"):
                model.decode(encoded)
    say(f"{DEFAULT_MODEL} on {name}, batches of {BATCH}", spent, len(audio), sum(len(one) for one in audio) / SAMPLING_RATE)


def test_rows() -> None:
    """Bytes of a row of the packaged results, as written and compressed."""
    for path in sorted(_PACKAGED.glob(f"{DEFAULT_MODEL}/*/*")):
        lines = list(Result.open(path).lines())
        stored = b"".join(lines)
        print(
            f"\n{path.relative_to(_PACKAGED)}: {len(lines)} rows, {len(stored) / len(lines):.0f} bytes each, "
            f"{len(bz2.compress(stored)) / len(lines):.0f} as bz2"
        )
