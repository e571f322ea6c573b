"""Lhotse's cut manifests: read as Lhotse trims and loads them, which writes the manifests; other kinds of cuts are refused in a line."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

from askd_bench.audio import read_utterance
from askd_bench.corpora import open_corpus, select
from askd_bench.errors import UserError
from askd_bench.types import SAMPLING_RATE


@pytest.fixture
def call(tmp_path: Path) -> Recording:
    """A call of three seconds, a party a channel, and not at our rate by chance only."""
    parties = np.random.default_rng(0).integers(-9000, 9000, (3 * SAMPLING_RATE, 2), dtype=np.int16)
    soundfile.write(tmp_path / "call.wav", parties, SAMPLING_RATE)
    return Recording.from_file(tmp_path / "call.wav", recording_id="call")


def cut_of(call: Recording, *, start: float, duration: float, channel: int, **supervisions: tuple[float, float, str | None]) -> MonoCut:
    return MonoCut(
        id=f"cut-{channel}-{start:g}",
        start=start,
        duration=duration,
        channel=channel,
        recording=call,
        supervisions=[
            SupervisionSegment(id=name, recording_id="call", start=begin, duration=length, channel=channel, text=text, speaker=name[:3])
            for name, (begin, length, text) in supervisions.items()
        ],
    )


def cuts_of(call: Recording) -> CutSet:
    return CutSet.from_cuts(
        [
            cut_of(call, start=0.0, duration=3.0, channel=0, ann1=(0.25, 1.0, "good morning"), ann2=(1.5, 1.25, "")),
            cut_of(call, start=1.0, duration=2.0, channel=1, bob1=(0.125, 1.5, "caf\u00e9 \U0001f600")),
        ]
    )


@pytest.mark.parametrize("name", ["calls.jsonl.gz", "calls.jsonl"])
def test_supervisions_are_the_samples_that_lhotse_trims(tmp_path: Path, call: Recording, name: str) -> None:
    cuts_of(call).to_file(tmp_path / name)
    corpus = open_corpus(str(tmp_path / name))
    assert corpus.name == "calls"
    utterances = list(corpus)
    trimmed = list(cuts_of(call).trim_to_supervisions(keep_overlapping=False))
    assert [one.id for one in utterances] == [one.id for one in trimmed] == ["ann1", "ann2", "bob1"]
    for utterance, expected in zip(utterances, trimmed, strict=True):
        assert (utterance.reference, utterance.speaker) == (expected.supervisions[0].text, expected.supervisions[0].speaker)
        assert utterance.duration_s == expected.duration
        np.testing.assert_array_equal(read_utterance(utterance), expected.load_audio()[0])


def test_a_whole_recording_is_no_part(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 22_050), 22_050)
    alone = Recording.from_file(tmp_path / "a.wav", recording_id="a")
    CutSet.from_cuts([cut_of(alone.resample(16_000), start=0.0, duration=1.0, channel=0, a=(0.0, 1.0, "x"))]).to_file(tmp_path / "c.jsonl")
    (utterance,) = open_corpus(str(tmp_path / "c.jsonl"))
    assert (utterance.offset_s, utterance.duration_s, utterance.channels) == (None, 1.0, ())


def test_a_supervision_without_text_is_left_out_and_counted(tmp_path: Path, call: Recording) -> None:
    cut = cut_of(call, start=0.0, duration=3.0, channel=0, ann1=(0.0, 1.0, None), ann2=(1.0, 1.0, "x"))
    CutSet.from_cuts([cut]).to_file(tmp_path / "cuts.jsonl.gz")
    corpus = select(open_corpus(str(tmp_path / "cuts.jsonl.gz")), 5)
    assert [one.id for one in corpus] == ["ann2"]
    assert corpus.left_out == {"no reference": 1}


def test_a_path_may_be_relative_to_the_manifest(tmp_path: Path, call: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    cuts_of(call).to_file(tmp_path / "cuts.jsonl")
    (tmp_path / "cuts.jsonl").write_text((tmp_path / "cuts.jsonl").read_text(encoding="utf-8").replace(f"{tmp_path}/", ""))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert {one.audio for one in open_corpus("../cuts.jsonl")} == {Path("../call.wav")}


def source(**changes: Any) -> dict[str, Any]:
    return {"recording": {"sources": [{"type": "file", "channels": [0, 1], "source": "call.wav", **changes}]}}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (source(type="command", source="touch ran |"), "line 2: recording 'call' comes of a 'command', and nothing is run or fetched"),
        (source(type="url", source="https://example.org/a.wav"), "comes of a 'url'"),
        (source(source="lost.wav"), r"line 2: 'lost\.wav' is no file below the working directory nor below"),
        (source(channels=[1]), "line 2: channel: 0 is in no source of recording 'call'"),
        ({"type": "MixedCut"}, r"line 2: type: Input should be 'MonoCut' \(got 'MixedCut'\)"),
        ({"recording": None}, "line 2: recording: Input should be"),
        ({"recording": {"transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]}}, "is to be changed by 'Speed'"),
        ({"recording": {"transforms": [{"name": "Resample", "kwargs": {"target_sampling_rate": 8000}}]}}, "is to be changed by 'Resample'"),
        ({"supervisions": [{"id": "x", "start": 3.5, "duration": 1.0, "text": "x"}]}, "line 2: supervision 'x' lies outside"),
        ({"supervisions": [{"id": "ann1", "start": 0.0, "duration": 1.0, "text": "x"}]}, "id: 'ann1' occurs twice"),
        ({"supervisions": [{"id": "x", "start": "0", "duration": 1.0, "text": "x"}]}, r"line 2: supervisions\.0\.start: Input should be"),
        ({"supervisions": [{"id": "ann2", "start": 0.0, "duration": 1.0, "text": "\ud800"}]}, r"cuts\.jsonl\.gz, line 2: "),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, call: Recording, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    good = cut_of(call, start=0.0, duration=3.0, channel=0, ann1=(0.25, 1.0, "good morning")).to_dict()
    bad = {**good, "supervisions": [{"id": "ann2", "start": 0.0, "duration": 1.0, "text": "x"}], **changes}
    if bad["recording"]:
        bad["recording"] = {**good["recording"], **bad["recording"]}
    with gzip.open(tmp_path / "cuts.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(f"{json.dumps(good)}\n{json.dumps(bad)}\n")
    with pytest.raises(UserError, match=complaint) as error:
        open_corpus("cuts.jsonl.gz")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_a_damaged_file_is_told(tmp_path: Path, call: Recording) -> None:
    cuts_of(call).to_file(tmp_path / "cuts.jsonl.gz")
    stored = (tmp_path / "cuts.jsonl.gz").read_bytes()
    (tmp_path / "cuts.jsonl.gz").write_bytes(stored[: len(stored) // 2])
    with pytest.raises(UserError, match=r"cuts\.jsonl\.gz"):
        open_corpus(str(tmp_path / "cuts.jsonl.gz"))
    with pytest.raises(UserError, match=r"absent\.jsonl\.gz does not exist"):
        open_corpus(str(tmp_path / "absent.jsonl.gz"))
