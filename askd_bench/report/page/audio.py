"""The audio of the listening gallery: rendered again from the recordings, hashed, and packed for a browser."""

import base64
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from askd_bench.corpora import open_stored
from askd_bench.errors import UserError
from askd_bench.perturbations.base import Scene
from askd_bench.rendering import render
from askd_bench.report.page.sections import Section
from askd_bench.suites import Suite
from askd_bench.types import SAMPLING_RATE, Samples, Utterance

BIT_RATE = 32_000
"""Of Opus, bit/s: 16 kHz mono keeps its band, and noise takes a sixth of what FLAC needs."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Clip:
    """One rendering: packed audio as a data URI, and the sha256 of the int16 samples before packing; or the reason why there is none."""

    uri: str | None
    sha256: str | None
    reason: str = ""


def clips(section: Section, utterances: Collection[str], *, noise_dir: Path | None) -> tuple[dict[Key, Clip], str]:
    """Return (condition, utterance) -> clip of some utterances under every condition; where nothing can be rendered, why.

    Recordings are read from where the run found them; one on the network is not fetched.
    """
    signature = section.entries[0].signature
    if section.suite is None:
        return {}, f"suite {signature.suite.label} is not at hand as it was run; if it is your own, name its file (--suite)"
    try:
        talkers = tuple(open_stored(signature.talkers.name))
        recordings = list(_found(section.corpus.source, utterances))
    except UserError as error:
        return {}, str(error)
    if not recordings:
        return {}, f"corpus {section.corpus.source!r} no longer has these utterances"
    return dict(_rendered(section, section.suite, recordings, talkers, noise_dir)), ""


def opus(samples: Samples) -> bytes:
    """Return 16 kHz mono audio as Opus in Ogg: the same bytes every time, since the stream's serial number is fixed."""
    pcm = np.round(samples * 32_768).astype(np.int16)
    stream = io.BytesIO()
    with av.open(stream, "w", format="ogg", container_options={"fflags": "+bitexact"}) as container:
        track = container.add_stream("libopus", rate=SAMPLING_RATE, layout="mono")
        track.bit_rate = BIT_RATE
        track.codec_context.thread_count = 1
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = SAMPLING_RATE
        for part in (frame, None):
            container.mux(track.encode(part))
    return stream.getvalue()


def _found(source: str, wanted: Collection[str]) -> Iterator[Utterance]:
    left = set(wanted)
    for utterance in open_stored(source):
        if utterance.id in left:
            left.remove(utterance.id)
            yield utterance
        if not left:
            return


def _rendered(
    section: Section, suite: Suite, recordings: list[Utterance], talkers: tuple[Utterance, ...], noise_dir: Path | None
) -> Iterator[tuple[Key, Clip]]:
    for utterance in recordings:
        scene = Scene(speaker=utterance.speaker or utterance.id, talkers=talkers, noise_dir=noise_dir)
        for condition in section.conditions:
            try:
                rendered = render(utterance, suite.conditions[condition], suite=suite.name, version=suite.version, scene=scene)
            except UserError as error:
                yield (condition, utterance.id), Clip(None, None, str(error))
                continue
            uri = f"data:audio/ogg;base64,{base64.b64encode(opus(rendered.samples)).decode()}"
            yield (condition, utterance.id), Clip(uri, rendered.sha256)
