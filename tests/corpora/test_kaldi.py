"""Kaldi data folders: read as kaldiio reads them; whatever is wrong in one is a line that says where."""

from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from askd_bench.audio import read_utterance
from askd_bench.corpora import open_corpus, select
from askd_bench.errors import UserError
from askd_bench.types import SAMPLING_RATE

FILES = {
    "wav.scp": "call-1 audio/one.wav\ncall-2 audio/two.flac\n",
    "segments": "ann-1 call-1 0.5 2.25\nann-2 call-1 2.25 3\nbob-1 call-2 0 -1\n",
    "text": "ann-1 good morning\nann-2\nbob-1 caf\u00e9  au\u00a0lait \n",
    "utt2spk": "ann-1 ann\nann-2 ann\nbob-1 bob\n",
}


def data_folder(folder: Path, **changed: str | None) -> Path:
    """Write a data folder with noise for speech; a file that is None is left out."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name in ("one.wav", "two.flac"):
        soundfile.write(folder / "audio" / name, rng.integers(-9000, 9000, 3 * SAMPLING_RATE, dtype=np.int16), SAMPLING_RATE)
    for name, text in {**FILES, **{key.replace("wav", "wav.scp"): text for key, text in changed.items()}}.items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def full_scale(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Bring what kaldiio reads, int16 of WAV and floats of FLAC, to [-1, 1]."""
    return (samples / 32768 if samples.dtype == np.int16 else samples).astype(np.float32)


def test_segments_are_the_samples_that_kaldiio_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data_folder(tmp_path / "eval")
    monkeypatch.chdir(folder)
    expected = kaldiio.load_scp("wav.scp", segments="segments")
    corpus = open_corpus(str(folder))
    assert corpus.name == "eval"
    assert [(one.id, one.reference, one.speaker) for one in corpus] == [
        ("ann-1", "good morning", "ann"),
        ("ann-2", "", "ann"),
        ("bob-1", "caf\u00e9  au\u00a0lait", "bob"),
    ]
    for utterance in corpus:
        rate, samples = expected[utterance.id]
        assert rate == SAMPLING_RATE
        np.testing.assert_array_equal(read_utterance(utterance), full_scale(samples))


def test_recordings_are_utterances_where_there_are_no_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data_folder(tmp_path, segments=None, utt2spk=None, text="call-1 hello\ncall-2 well\n")
    monkeypatch.chdir(folder)
    expected = kaldiio.load_scp("wav.scp")
    for spec in (str(folder), str(folder / "wav.scp")):
        utterances = list(open_corpus(spec))
        assert [(one.id, one.reference, one.speaker, one.offset_s) for one in utterances] == [
            ("call-1", "hello", None, None),
            ("call-2", "well", None, None),
        ]
    for utterance in utterances:
        np.testing.assert_array_equal(read_utterance(utterance), full_scale(expected[utterance.id][1]))


def test_a_path_is_from_the_working_directory_or_else_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data_folder(tmp_path / "s5" / "data" / "eval")
    monkeypatch.chdir(tmp_path)
    assert next(iter(open_corpus(str(folder)))).audio == folder / "audio" / "one.wav"
    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio" / "one.wav", np.zeros(4 * SAMPLING_RATE), SAMPLING_RATE)
    assert next(iter(open_corpus(str(folder)))).audio == Path("audio/one.wav")


def test_a_fifth_column_chooses_a_channel(tmp_path: Path) -> None:
    folder = data_folder(tmp_path, segments="ann-1 call-1 0 1 0\nann-2 call-1 0 1 1\nbob-1 call-1 0 1\n")
    parties = np.random.default_rng(1).uniform(-0.5, 0.5, (SAMPLING_RATE, 2))
    soundfile.write(folder / "audio" / "one.wav", parties, SAMPLING_RATE, subtype="FLOAT")
    first, second, both = map(read_utterance, open_corpus(str(folder)))
    np.testing.assert_allclose(first, parties[:, 0], atol=1e-6)
    np.testing.assert_allclose(second, parties[:, 1], atol=1e-6)
    np.testing.assert_allclose(both, parties.mean(axis=1), atol=1e-6)


def test_an_utterance_without_a_text_is_left_out_and_counted(tmp_path: Path) -> None:
    corpus = select(open_corpus(str(data_folder(tmp_path, text="ann-1 good morning\n"))), 3)
    assert [one.id for one in corpus] == ["ann-1"]
    assert corpus.left_out == {"no reference": 2}


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"wav": "call-1 touch ran; cat a.wav |\n"}, r"wav\.scp, line 1: 'touch ran; cat a\.wav \|' is a command, and none is run"),
        ({"wav": FILES["wav.scp"] + "call-3 | touch ran\n"}, "line 3: .* is a command"),
        ({"wav": "call-1 raw.ark:4711\n"}, r"line 1: 'raw\.ark:4711' is no recording of its own"),
        ({"wav": "call-1 -\n"}, "'-' is no recording of its own"),
        ({"wav": "call-1\n"}, "'' is no recording of its own"),
        ({"wav": FILES["wav.scp"] + "call-1 audio/two.flac\n"}, r"wav\.scp, line 3: 'call-1' occurs twice"),
        ({"wav": "call-1 lost/one.wav\ncall-2 audio/two.flac\n"}, "'lost/one.wav' is no file below the working directory nor below"),
        ({"wav": "call-1 audio/one.wav\n"}, r"segments, line 3: 'call-2' is an unknown recording \(allowed: those of wav\.scp\)"),
        ({"text": None}, "text does not exist"),
        ({"text": FILES["text"] + "cid-1 hello\n"}, "text, line 4: 'cid-1' is an unknown utterance"),
        ({"text": FILES["text"] + "ann-1 again\n"}, "text, line 4: 'ann-1' occurs twice"),
        ({"utt2spk": FILES["utt2spk"] + "cid-1 cid\n"}, "utt2spk, line 4: 'cid-1' is an unknown utterance"),
        ({"utt2spk": "ann-1 ann\nann-2 ann\n"}, "segments, line 3: 'bob-1' has no speaker in .*utt2spk"),
        ({"segments": FILES["segments"] + "ann-1 call-1 0 1\n"}, "segments, line 4: 'ann-1' occurs twice"),
        ({"segments": "ann-1 call-1 2 1\n", "utt2spk": None, "text": "ann-1 x\n"}, "segments, line 1: 'call-1 2 1' is no segment"),
        ({"segments": "ann-1 call-1 0 nan\n", "utt2spk": None, "text": "ann-1 x\n"}, "is no segment"),
        ({"segments": "ann-1 call-1 0\n", "utt2spk": None, "text": "ann-1 x\n"}, "is no segment"),
        ({"segments": "ann-1 call-1 0 1 A\n", "utt2spk": None, "text": "ann-1 x\n"}, "channel_selector: 'A' is no channel"),
        ({"segments": "ann-1 call-1 9 -1\n", "utt2spk": None, "text": "ann-1 x\n"}, "line 1: its recording has no end after 9 s"),
        ({"wav": "", "segments": None, "text": "", "utt2spk": None}, r"wav\.scp is empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], complaint: str
) -> None:
    folder = data_folder(tmp_path / "eval", **changed)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=complaint) as error:
        open_corpus(str(folder))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()
    assert not (folder / "ran").exists()
