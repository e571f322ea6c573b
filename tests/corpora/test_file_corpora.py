"""Bundled corpora, manifests and audio folders through `open_corpus`, and every way in which they can be malformed."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from askd_bench.audio import read_audio, read_utterance
from askd_bench.corpora import list_corpora, open_corpus, select
from askd_bench.errors import AudioError, UserError
from askd_bench.paths import CORPORA_DIR
from askd_bench.types import SAMPLING_RATE, Utterance

BUNDLED = ["accents", "books", "dialogue", "prompts"]
SPEECH = sorted((CORPORA_DIR / "dialogue").rglob("*.mp3"))[:3]


def write_manifest(folder: Path, *records: object, name: str = "manifest.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(f"{record if isinstance(record, str) else json.dumps(record)}\n" for record in records), encoding="utf-8")
    return file


def write_table(folder: Path, text: str) -> Path:
    (folder / "metadata.csv").write_text(text, encoding="utf-8")
    return folder


GOOD = {"audio_filepath": "a.wav", "text": "hello", "duration": 1.5}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_corpora_open_by_name_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = open_corpus(name)
    assert (corpus.name, corpus.source) == (name, name)
    assert corpus.licence != "unknown"
    utterances = list(corpus)
    assert utterances == list(corpus)
    assert len({utterance.id for utterance in utterances}) == len(utterances)
    for utterance in utterances:
        assert isinstance(utterance.audio, Path)
        assert utterance.audio.is_file()
        assert utterance.reference.strip()
        assert utterance.speaker
    first = utterances[0]
    assert first.duration_s is not None
    assert abs(len(read_audio(first.audio)) / 16_000 - first.duration_s) < 0.1


def test_listing_knows_all_names_and_each_opens_or_is_on_the_hub() -> None:
    entries = {entry.name: entry for entry in list_corpora()}
    assert set(BUNDLED) == {name for name, entry in entries.items() if entry.kind == "bundled"}
    assert {"librispeech-clean", "librispeech-other", "voxpopuli-en", "voxpopuli-en-accented", "ami-ihm", "ami-sdm"} <= set(entries)
    assert {"earnings22", "edacc", "afrispeech-200", "tedlium", "common-voice"} <= set(entries)
    for entry in entries.values():
        assert entry.licence
        assert entry.description
        assert "\n" not in entry.description


def test_listing_imports_nothing_heavy() -> None:
    script = "import sys; from askd_bench.corpora import list_corpora; list_corpora(); print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split())
    assert not loaded & {"datasets", "pandas", "pyarrow", "torch", "transformers", "huggingface_hub", "scipy"}


def test_manifest_with_all_keys(tmp_path: Path) -> None:
    full = {**GOOD, "id": "x1", "speaker": 7, "group": "scottish", "split": "dev", "lang": "en"}
    bare = {"audio_filepath": "sub/b.flac", "text": ""}
    absolute = {"audio_filepath": str(tmp_path / "c.wav"), "text": "\u00e9t\u00e9", "speaker": None, "id": ""}
    file = write_manifest(tmp_path, full, "", bare, absolute, name="my set.jsonl")
    corpus = open_corpus(str(file))
    assert (corpus.name, corpus.source) == ("my-set", str(file))
    assert list(corpus) == [
        Utterance(id="x1", audio=tmp_path / "a.wav", reference="hello", duration_s=1.5, speaker="7", group="scottish", split="dev"),
        Utterance(id="sub/b", audio=tmp_path / "sub/b.flac", reference=""),
        Utterance(id="c", audio=tmp_path / "c.wav", reference="\u00e9t\u00e9"),
    ]


def test_manifest_from_windows(tmp_path: Path) -> None:
    file = tmp_path / "m.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n")
    assert [utterance.id for utterance in open_corpus(str(file))] == ["a"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "line 2: is not JSON"),
        ("[" * 100_000, "line 2: is not JSON"),
        ("[1]", "line 2: must be a JSON object, not list"),
        ({"text": "x"}, "line 2: must have 'audio_filepath' and 'text', has text"),
        ({"audio_filepath": "b.wav"}, "line 2: must have 'audio_filepath' and 'text', has audio_filepath"),
        ({}, "has nothing"),
        ({**GOOD, "audio_filepath": 3}, "line 2: audio_filepath: 3 must be a file name"),
        ({**GOOD, "audio_filepath": ""}, "must be a file name"),
        ({**GOOD, "audio_filepath": "a\0b"}, "must be a file name"),
        ({**GOOD, "text": None}, "line 2: text: None must be text"),
        ({**GOOD, "duration": "long"}, "line 2: duration: 'long' must be seconds"),
        ({**GOOD, "duration": -1}, "must be seconds"),
        ('{"audio_filepath": "b.wav", "text": "x", "duration": NaN}', "must be seconds"),
        ({**GOOD, "duration": True}, "must be seconds"),
        ({**GOOD, "split": "final"}, r"line 2: split: 'final' is unknown \(allowed: dev, test, train\)"),
        ({**GOOD, "split": []}, "is unknown"),
        ({**GOOD, "speaker": {"name": "x"}}, "line 2: speaker: .* must be text or a whole number"),
        ({**GOOD, "offset": 3.5, "duration": None}, "line 2: offset: 3.5 needs a duration above 0 beside it"),
        ({**GOOD, "offset": -1, "duration": 1}, "line 2: offset: -1 must be seconds, 0 or more"),
        ({**GOOD, "duration": 10**400}, "must be seconds"),
        ({**GOOD, "channel_selector": "left"}, r"line 2: channel_selector: 'left' is no channel \(allowed: a number from 0"),
        ({**GOOD, "channel_selector": [0, -1]}, "is no channel"),
        ({**GOOD, "channel_selector": []}, "is no channel"),
        ({**GOOD, "channel_selector": True}, "is no channel"),
        ('{"audio_filepath": "b.wav", "text": "x", "duration": ' + "9" * 5000 + "}", "line 2: is not JSON"),
        ({**GOOD, "text": "a \ud800"}, r"line 2: text: 'a \\ud800' holds half of a surrogate pair \(allowed: Unicode text\)"),
        ({**GOOD, "id": "\udfff"}, "line 2: id: .* holds half of a surrogate pair"),
        ({**GOOD, "speaker": "\ud800"}, "line 2: speaker: .* holds half of a surrogate pair"),
        ({**GOOD, "group": "\ud800"}, "line 2: group: .* holds half of a surrogate pair"),
        ({**GOOD, "audio_filepath": "\udcff.wav"}, "line 2: id: .* holds half of a surrogate pair"),
        (GOOD, "id: 'a' occurs twice"),
    ],
)
def test_a_malformed_line_is_told_by_its_number(tmp_path: Path, line: object, complaint: str) -> None:
    file = write_manifest(tmp_path, GOOD, line)
    with pytest.raises(UserError, match=complaint) as error:
        open_corpus(str(file))
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_part_of_a_recording_is_read_as_nemo_reads_it(tmp_path: Path) -> None:
    ramp = np.arange(5 * SAMPLING_RATE) / (5 * SAMPLING_RATE)
    for name, options in (("a.wav", {"subtype": "PCM_16"}), ("a.flac", {"subtype": "PCM_16"}), ("a.au", {"subtype": "PCM_16"})):
        soundfile.write(tmp_path / name, ramp, SAMPLING_RATE, **options)
        parts = [{"audio_filepath": name, "text": "x", "offset": offset, "duration": 2.0} for offset in (0.0, 1.5, 4.5)]
        utterances = list(open_corpus(str(write_manifest(tmp_path, *parts))))
        assert [utterance.id for utterance in utterances] == ["a", "a-1.5s", "a-4.5s"]
        whole = read_audio(tmp_path / name)
        for utterance, start in zip(utterances[:2], (0, 24_000), strict=True):
            np.testing.assert_array_equal(read_utterance(utterance), whole[start : start + 32_000])
        with pytest.raises(AudioError, match=r"a-4\.5s: ends at 5\.00 s .* before its part from 4\.5 to 6\.5 s"):
            read_utterance(utterances[2])


@pytest.mark.parametrize("format", ["wav", "flac", "mkv"])
def test_channels_are_chosen_as_nemo_chooses_them(tmp_path: Path, format: str) -> None:
    """A call with a party a channel; PyAV decodes the last format."""
    rng = np.random.default_rng(0)
    parties = rng.uniform(-0.5, 0.5, (SAMPLING_RATE, 2)).astype(np.float32)
    soundfile.write(tmp_path / "call.wav", parties, SAMPLING_RATE, subtype="PCM_16")
    if format == "flac":
        soundfile.write(tmp_path / "call.flac", parties, SAMPLING_RATE, subtype="PCM_16")
    if format == "mkv":
        with av.open(str(tmp_path / "call.mkv"), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=SAMPLING_RATE, layout="stereo")
            frame = av.AudioFrame.from_ndarray(soundfile.read(tmp_path / "call.wav", dtype="int16")[0].reshape(1, -1), "s16", "stereo")
            frame.sample_rate = SAMPLING_RATE
            container.mux([*stream.encode(frame), *stream.encode(None)])
    base = {"audio_filepath": f"call.{format}", "text": "x"}
    selectors: list[Any] = [0, 1, [0, 1], "average", 2]
    first, second, both, average, absent = open_corpus(
        str(write_manifest(tmp_path, *({**base, "channel_selector": one} for one in selectors), name="calls.jsonl"))
    )
    assert [one.id for one in (first, second, both, average, absent)] == ["call-ch0", "call-ch1", "call-ch0+1", "call", "call-ch2"]
    exact = np.round(parties * 32768) / 32768
    for utterance, expected in ((first, exact[:, 0]), (second, exact[:, 1]), (both, exact.mean(axis=1)), (average, exact.mean(axis=1))):
        np.testing.assert_allclose(read_utterance(utterance), expected, atol=1e-4)
    with pytest.raises(AudioError, match="call-ch2: has 2 channels, none of number 2"):
        read_utterance(absent)


def test_a_channel_of_a_part_is_cut_like_the_part(tmp_path: Path) -> None:
    ramp = np.arange(3 * SAMPLING_RATE) / (3 * SAMPLING_RATE)
    soundfile.write(tmp_path / "call.wav", np.stack([ramp, -ramp], axis=1), SAMPLING_RATE, subtype="PCM_16")
    part = {"audio_filepath": "call.wav", "text": "x", "offset": 1.0, "duration": 1.0}
    mine, yours = open_corpus(str(write_manifest(tmp_path, {**part, "channel_selector": 0}, {**part, "channel_selector": 1})))
    assert (mine.id, yours.id) == ("call-1s-ch0", "call-1s-ch1")
    np.testing.assert_allclose(read_utterance(mine), ramp[SAMPLING_RATE : 2 * SAMPLING_RATE], atol=1e-4)
    np.testing.assert_allclose(read_utterance(yours), -read_utterance(mine), atol=1e-4)
    fingerprints = {
        open_corpus(str(write_manifest(tmp_path, {**part, "id": "a", **one}))).fingerprint()
        for one in ({}, {"channel_selector": 0}, {"channel_selector": 1})
    }
    assert len(fingerprints) == 3


def test_absolute_paths_whose_names_repeat_have_ids_by_folder(tmp_path: Path) -> None:
    names = ("monday/call.wav", "tuesday/call.wav", "tuesday/late/other.wav")
    ids = []
    for place in ("here", "elsewhere/deeper"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        records = [{"audio_filepath": str(folder / name), "text": "x"} for name in names]
        ids.append([utterance.id for utterance in open_corpus(str(write_manifest(folder, *records)))])
        once = write_manifest(folder, *records[1:], name="once.jsonl")
        assert [utterance.id for utterance in open_corpus(str(once))] == ["call", "other"]
    assert ids[0] == ids[1] == ["monday/call", "tuesday/call", "tuesday/late/other"]


def test_parts_tell_corpora_apart_and_a_duration_alone_does_not(tmp_path: Path) -> None:
    def fingerprint(**keys: float) -> str:
        return open_corpus(str(write_manifest(tmp_path, {"audio_filepath": "a.wav", "text": "x", **keys}))).fingerprint()

    assert fingerprint() == fingerprint(duration=2.0) == fingerprint(offset=0.0)
    assert len({fingerprint(), fingerprint(offset=0.0, duration=2.0), fingerprint(offset=0.0, duration=1.0)}) == 3


@pytest.mark.parametrize("text", ["IGNORE_TIME_SEGMENT_IN_SCORING", " ignore_time_segment_in_scoring"])
def test_what_is_marked_as_not_to_be_scored_is_no_utterance(tmp_path: Path, text: str) -> None:
    corpus = open_corpus(str(write_manifest(tmp_path, GOOD, {"audio_filepath": "b.wav", "text": text})))
    assert [utterance.id for utterance in select(corpus, 2)] == ["a"]
    assert select(corpus, 2).left_out == {"marked as not to be scored": 1}


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "manifest.jsonl"
    file.write_bytes(content)
    with pytest.raises(UserError, match="is empty: it must list at least one utterance"):
        open_corpus(str(file))


def test_what_is_no_manifest_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"absent\.jsonl does not exist"):
        open_corpus("absent.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(bytes(range(128, 256)))
    with pytest.raises(UserError, match="cannot be read \\(not UTF-8\\)"):
        open_corpus("binary.jsonl")
    (tmp_path / "speech.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"speech\.wav must be a \.jsonl manifest or a folder"):
        open_corpus("speech.wav")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"folder empty must hold manifest\.jsonl, metadata\.csv or wav\.scp"):
        open_corpus("empty")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("dialoge", "'dialoge' is unknown; did you mean 'dialogue'"),
        ("librispech-clean", "did you mean 'librispeech-clean'"),
        ("", "'' is unknown"),
        ("declared", "'declared' is unknown"),
        ("../corpora/dialogue", "is no file or folder here"),
        ("openslr/librispeech_asr", "write hub:openslr/librispeech_asr"),
        ("nul\0byte", "is unknown"),
        ("x" * 5000, "is unknown"),
    ],
)
def test_an_unknown_name_gets_the_nearest(spec: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=complaint):
        open_corpus(spec)


def test_a_missing_recording_fails_when_it_is_read_not_before(tmp_path: Path) -> None:
    shutil.copy(SPEECH[0], tmp_path / "there.mp3")
    there, gone = {**GOOD, "audio_filepath": "there.mp3"}, {**GOOD, "audio_filepath": "gone.mp3"}
    first, second = open_corpus(str(write_manifest(tmp_path, there, gone)))
    assert read_audio(first.audio).size
    with pytest.raises(AudioError, match=r"gone\.mp3: does not exist"):
        read_audio(second.audio)


def test_audio_folder(tmp_path: Path) -> None:
    for number, file in enumerate(SPEECH):
        shutil.copy(file, tmp_path / f"{number}.mp3")
    write_table(
        tmp_path, 'file_name,transcription,speaker,group,mood\n0.mp3,"Well, well",ann,,sad\n1.mp3,,bob,welsh,glad\n2.mp3,three,,,\n'
    )
    corpus = open_corpus(str(tmp_path))
    assert corpus.name == tmp_path.name
    assert [(one.id, one.reference, one.speaker, one.group) for one in corpus] == [
        ("0", "Well, well", "ann", None),
        ("1", "", "bob", "welsh"),
        ("2", "three", None, None),
    ]
    assert all(read_audio(utterance.audio).size for utterance in corpus)


@pytest.mark.parametrize("heading", ["transcription", "text", "sentence"])
def test_headings_of_the_transcript(tmp_path: Path, heading: str) -> None:
    (utterance,) = open_corpus(str(write_table(tmp_path, f"file_name,{heading},id\na.wav,hi,7\n")))
    assert (utterance.id, utterance.reference) == ("7", "hi")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("", "is empty"),
        ("file_name,text\n", "is empty"),
        ("name,text\na.wav,hi\n", "line 2: must have 'file_name' and 'transcription' or 'text' or 'sentence', has name, text"),
        ("file_name,words\na.wav,hi\n", "line 2: must have"),
        ("file_name,text\na.wav,hi\nb.wav\n", "line 3: must have 2 cells"),
        ("file_name,text\na.wav,hi,ho\n", "line 2: must have 2 cells"),
        ("file_name,text\n,hi\n", "line 2: must have 'file_name'"),
        ("file_name,text\na.wav,hi\na.wav,ho\n", "id: 'a' occurs twice"),
        ("file_name,text,split\na.wav,hi,eval\n", "line 2: split: 'eval' is unknown"),
        ('file_name,text\na.wav,"hi\n', "is not CSV"),
    ],
)
def test_a_malformed_table_is_told_in_a_line(tmp_path: Path, table: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as error:
        open_corpus(str(write_table(tmp_path, table)))
    assert "\n" not in str(error.value)


def test_fingerprint_follows_content_not_place(tmp_path: Path) -> None:
    def corpus_at(name: str, text: str = "hello", padding: bytes = b"") -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.wav").write_bytes(SPEECH[0].read_bytes() + padding)
        return open_corpus(str(write_manifest(folder, {**GOOD, "text": text}))).fingerprint()

    original = corpus_at("one")
    assert corpus_at("two") == original
    assert len({original, corpus_at("three", text="hallo"), corpus_at("four", padding=b"\0")}) == 3
    (tmp_path / "one" / "a.wav").unlink()
    assert open_corpus(str(tmp_path / "one")).fingerprint() != original


def test_a_folder_may_say_what_it_is(tmp_path: Path) -> None:
    write_manifest(tmp_path, GOOD)
    about = tmp_path / "corpus.toml"
    about.write_text('title = "Ours"\nlicence = "CC0-1.0"\ngroup_is = "region"\n[counts]\nutterances = 1\n', encoding="utf-8")
    corpus = open_corpus(str(tmp_path))
    assert (corpus.description, corpus.licence, corpus.group_is, corpus.speaker_is) == ("Ours", "CC0-1.0", "region", "speaker")
    about.write_text('title = "Ours"\n', encoding="utf-8")
    with pytest.raises(UserError, match="licence: is missing"):
        open_corpus(str(tmp_path))
    about.write_text("title =\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"corpus\.toml: not valid TOML"):
        open_corpus(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_manifest_is_told(tmp_path: Path) -> None:
    file = write_manifest(tmp_path, GOOD)
    file.chmod(0)
    with pytest.raises(UserError, match="cannot be read"):
        open_corpus(str(file))


def test_iterating_keeps_nothing(tmp_path: Path) -> None:
    file = write_manifest(tmp_path, *({**GOOD, "id": f"u{i}", "text": "x" * 2000} for i in range(5000)))
    corpus = open_corpus(str(file))
    tracemalloc.start()
    try:
        assert sum(1 for _ in corpus) == 5000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1e6  # the manifest has 10 MB
