"""Hub corpora from datasets built on the spot: parquet with audio bytes, folders in place of configs, audio folders, archives."""

import io
import shutil
import socket
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pytest
import soundfile
from datasets import Audio, ClassLabel, Dataset, Features, Value

from askd_bench.audio import read_audio
from askd_bench.corpora import Corpus, hub, open_corpus, open_stored, select
from askd_bench.corpora.declared import DECLARED_DIR, read_declaration
from askd_bench.corpora.hub import Columns, HubSource, open_hub
from askd_bench.corpora.opening import FETCH_STORED
from askd_bench.errors import UserError
from askd_bench.paths import CORPORA_DIR

SPEECH = sorted((CORPORA_DIR / "dialogue").rglob("*.mp3"))[:12]
FEATURES = Features(
    {
        "audio": Audio(),
        "sentence": Value("string"),
        "speaker_id": Value("int64"),
        "accent": ClassLabel(names=["welsh", "scottish"]),
        "duration": Value("float64"),
        "id": Value("string"),
    }
)


def save_parquet(file: Path, recordings: Sequence[bytes], features: Features = FEATURES, **columns: list[object]) -> None:
    """Write rows as the hub stores them. Audio goes in as encoded bytes: `datasets` itself would need torchcodec to encode."""
    count = len(recordings)
    rows: dict[str, list[object]] = {
        "audio": [{"bytes": content, "path": f"{number}.mp3"} for number, content in enumerate(recordings)],
        "sentence": [f"text {number}" for number in range(count)],
        "speaker_id": [number % 3 for number in range(count)],
        "accent": [number % 2 for number in range(count)],
        "duration": [1.5] * count,
        "id": [f"u{number}" for number in range(count)],
    }
    rows = {name: columns.get(name, rows.get(name, [])) for name in features}
    as_stored = Features(
        {name: {"bytes": Value("binary"), "path": Value("string")} if name == "audio" else features[name] for name in features}
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    datasets.disable_progress_bars()
    Dataset.from_dict(rows, features=as_stored).cast(features).to_parquet(file)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "My Set"
    recordings = [file.read_bytes() for file in SPEECH]
    save_parquet(folder / "data" / "test-00000-of-00002.parquet", recordings[:6])
    save_parquet(folder / "data" / "test-00001-of-00002.parquet", recordings[6:], id=[f"v{number}" for number in range(6)])
    save_parquet(folder / "data" / "validation-00000-of-00001.parquet", recordings[:2])
    return folder


def ids(corpus: Corpus) -> list[str]:
    return [utterance.id for utterance in corpus]


def test_parquet_with_bytes(dataset: Path) -> None:
    corpus = open_corpus(f"hub:{dataset}")
    assert (corpus.name, corpus.source) == ("My-Set", f"hub:{dataset}::test")
    utterances = list(corpus)
    assert ids(corpus) == [f"u{number}" for number in range(6)] + [f"v{number}" for number in range(6)]
    assert [utterance.audio for utterance in utterances] == [file.read_bytes() for file in SPEECH]
    third = utterances[3]
    assert (third.reference, third.speaker, third.group, third.duration_s, third.split) == ("text 3", "0", "scottish", 1.5, "test")
    np.testing.assert_array_equal(read_audio(third.audio), read_audio(SPEECH[3]))


def test_metadata_is_the_same_without_audio(dataset: Path) -> None:
    corpus = open_corpus(f"hub:{dataset}")
    metadata = list(corpus.metadata())
    assert {utterance.audio for utterance in metadata} == {b""}
    assert [(u.id, u.reference, u.speaker, u.group) for u in metadata] == [(u.id, u.reference, u.speaker, u.group) for u in corpus]


def test_selection_from_a_stream(dataset: Path) -> None:
    chosen = list(select(open_corpus(f"hub:{dataset}"), 3))
    assert len({utterance.speaker for utterance in chosen}) == 3
    assert all(isinstance(utterance.audio, bytes) and utterance.audio for utterance in chosen)


@pytest.mark.parametrize("spec", ["::validation", ":validation", ":default:validation"])
def test_split_asked_for(dataset: Path, spec: str) -> None:
    corpus = open_corpus(f"hub:{dataset}{spec}")
    assert ids(corpus) == ["u0", "u1"]
    assert corpus.name.endswith("validation")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("::train", r"split: 'train' is unknown \(allowed: (test, validation|validation, test)\)"),
        (":french", r"config: 'french' is unknown \(allowed: default\)"),
        (":french:test", "config: 'french' is unknown"),
        ("-gone", "folder .* does not exist"),
        (":a:b:c", r"must be hub:ID\[@revision\]\[:config\]\[:split\]"),
    ],
)
def test_what_is_not_there_is_told(dataset: Path, spec: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as error:
        open_corpus(f"hub:{dataset}{spec}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("spec", ["hub:", "hub:@main", "hub::en"])
def test_an_id_is_needed(spec: str) -> None:
    with pytest.raises(UserError, match="must be hub:ID"):
        open_corpus(spec)


def test_out_of_reach_or_unknown_is_one_line_with_declared_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"cannot be opened \(unknown, or out of reach\).*librispeech-clean") as error:
        open_corpus("hub:openslr/librispeech")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="hub:edinburghcstr/edacc@main::test cannot be opened"):
        open_corpus("edacc")


def test_revision_is_pinned_to_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub itself is out of reach for tests: this stands in for its one answer."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    asked: list[tuple[str, str | None]] = []

    class Answer:
        sha = commit

    def dataset_info(_: object, name: str, revision: str | None = None) -> Answer:
        asked.append((name, revision))
        return Answer()

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", dataset_info)
    pinned = hub._pinned(HubSource.parse("some/set@v1:en:test"))
    assert str(pinned) == f"hub:some/set@{commit}:en:test"
    assert hub._pinned(pinned) == pinned
    assert asked == [("some/set", "v1")]


@pytest.mark.parametrize("spec", ["a/b", "a/b@v1", "a/b:c", "a/b@v1:c:d", "a/b::d"])
def test_source_reads_what_it_writes(spec: str) -> None:
    source = HubSource.parse(spec)
    assert str(source) == f"hub:{spec}"
    assert HubSource.parse(str(source).removeprefix("hub:")) == source


def test_a_folder_in_place_of_a_config(tmp_path: Path) -> None:
    """The layout of `refs/convert/parquet`, where `datasets`, given an unknown config, would mix all folders."""
    recording = [SPEECH[0].read_bytes()]
    for config, split, name in (("en", "test", "e"), ("en_accented", "test", "a"), ("en", "train", "t")):
        save_parquet(tmp_path / config / split / "0000.parquet", recording, id=[name])
    assert ids(open_corpus(f"hub:{tmp_path}:en")) == ["e"]
    corpus = open_corpus(f"hub:{tmp_path}:en_accented:test")
    assert ids(corpus) == ["a"]
    assert corpus.source == f"hub:{tmp_path}:en_accented:test"
    assert ids(open_corpus(corpus.source)) == ["a"]
    with pytest.raises(UserError, match="split: 'validation' is unknown"):
        open_corpus(f"hub:{tmp_path}:en:validation")


def test_declared_configs(tmp_path: Path) -> None:
    recording = [SPEECH[0].read_bytes()]
    for config in ("clean", "other"):
        save_parquet(tmp_path / config / "test-00000-of-00001.parquet", recording, id=[config])
    configs = "".join(f"- config_name: {c}\n  data_files:\n  - split: test\n    path: {c}/test-*\n" for c in ("clean", "other"))
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}---\n", encoding="utf-8")
    assert ids(open_corpus(f"hub:{tmp_path}:other")) == ["other"]
    with pytest.raises(UserError, match=r"config: 'noisy' is unknown \(allowed: clean, other\)"):
        open_corpus(f"hub:{tmp_path}:noisy:test")
    with pytest.raises(UserError, match=r"(?i)config name is missing.*clean"):
        open_corpus(f"hub:{tmp_path}")


def test_split_must_be_given_where_none_is_test(tmp_path: Path) -> None:
    recording = [SPEECH[0].read_bytes()]
    for split in ("train", "validation"):
        save_parquet(tmp_path / f"{split}-00000-of-00001.parquet", recording)
    with pytest.raises(UserError, match=r"split: must be given \(allowed: train, validation\)"):
        open_corpus(f"hub:{tmp_path}")
    (tmp_path / "train-00000-of-00001.parquet").unlink()
    assert ids(open_corpus(f"hub:{tmp_path}")) == ["u0"]


def test_columns_by_declaration_and_by_usual_name(tmp_path: Path) -> None:
    features = Features({"audio": Audio(), "words": Value("string"), "text": Value("string"), "voice": Value("string")})
    recordings = [SPEECH[0].read_bytes(), SPEECH[1].read_bytes()]
    save_parquet(tmp_path / "test.parquet", recordings, features, words=["w", ""], text=["t", ""], voice=["", "bob"])
    usual = list(open_corpus(f"hub:{tmp_path}"))
    assert [(u.id, u.reference, u.speaker) for u in usual] == [("test-0000000", "t", None), ("test-0000001", "", None)]
    declared = open_hub(HubSource(id=str(tmp_path)), columns=Columns(text="words", speaker="voice"), name="ours", licence="CC0-1.0")
    assert [(u.reference, u.speaker) for u in declared] == [("w", None), ("", "bob")]
    assert (declared.name, declared.licence) == ("ours", "CC0-1.0")
    with pytest.raises(UserError, match=r"speaker column: 'who' is unknown \(allowed: audio, words, text, voice\)"):
        open_hub(HubSource(id=str(tmp_path)), columns=Columns(speaker="who"))


@pytest.mark.parametrize(
    ("columns", "complaint"), [({"text": Value("string")}, "no column of audio"), ({"audio": Audio()}, "no column of text")]
)
def test_a_dataset_without_speech_or_text_is_refused(tmp_path: Path, columns: dict[str, object], complaint: str) -> None:
    save_parquet(tmp_path / "test.parquet", [SPEECH[0].read_bytes()], Features(columns), text=["t"])
    with pytest.raises(UserError, match=complaint):
        open_corpus(f"hub:{tmp_path}")


def test_an_id_that_occurs_again_is_told_apart(tmp_path: Path) -> None:
    save_parquet(tmp_path / "test.parquet", [file.read_bytes() for file in SPEECH[:4]], id=["a", "a", None, "a"])
    corpus = open_corpus(f"hub:{tmp_path}")
    assert ids(corpus) == ["a", "a~2", "test-0000002", "a~3"]
    assert [utterance.id for utterance in corpus.metadata()] == ids(corpus)


def audio_folder(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, file in enumerate(SPEECH[:2]):
        shutil.copy(file, folder / f"{number}.mp3")
    (folder / "metadata.csv").write_text("file_name,transcription\n0.mp3,zero\n1.mp3,one\n", encoding="utf-8")


def test_an_audio_folder_passes_paths(tmp_path: Path) -> None:
    audio_folder(tmp_path / "test")
    utterances = list(open_corpus(f"hub:{tmp_path}"))
    assert {utterance.reference for utterance in utterances} == {"zero", "one"}
    assert all(read_audio(utterance.audio).size for utterance in utterances)


def test_texts_of_an_audio_folder_are_read_as_they_are(tmp_path: Path) -> None:
    texts = ["None", "null", "NA", "nan", "007", "1e5", "", "a"]
    for number in range(len(texts)):
        shutil.copy(SPEECH[0], tmp_path / f"{number}.mp3")
    lines = [f"{number}.mp3,{text}" for number, text in enumerate(texts)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,transcription", *lines]), encoding="utf-8")
    corpus = open_corpus(f"hub:{tmp_path}")
    assert [utterance.reference for utterance in corpus] == texts == [utterance.reference for utterance in corpus.metadata()]
    assert [utterance.reference for utterance in open_corpus(str(tmp_path))] == texts


def test_a_row_without_a_text_is_left_out(tmp_path: Path) -> None:
    recordings = [file.read_bytes() for file in SPEECH[:3]]
    texts = ["zero", None, "IGNORE_TIME_SEGMENT_IN_SCORING"]
    save_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", recordings, sentence=list(texts))
    corpus = open_corpus(f"hub:{tmp_path}")
    assert [utterance.reference for utterance in corpus] == ["zero"] == [utterance.reference for utterance in corpus.metadata()]
    assert corpus.left_out == {"no reference": 1, "marked as not to be scored": 1}


def test_an_archive_passes_bytes(tmp_path: Path) -> None:
    audio_folder(tmp_path / "source")
    (tmp_path / "set").mkdir()
    with zipfile.ZipFile(tmp_path / "set" / "test.zip", "w") as archive:
        for file in (tmp_path / "source").iterdir():
            archive.write(file, file.name)
    by_text = {utterance.reference: utterance.audio for utterance in open_corpus(f"hub:{tmp_path / 'set'}")}
    assert by_text == {"zero": SPEECH[0].read_bytes(), "one": SPEECH[1].read_bytes()}


@pytest.mark.parametrize("path", ["/etc/hostname", "file:///etc/hostname", "http://127.0.0.1:9/a.wav", "zip://a::file:///etc/hostname", ""])
def test_a_remote_dataset_cannot_point_at_this_machine(path: str) -> None:
    assert hub._encoded({"bytes": None, "path": path}, local=False) == b""


def test_broken_data_is_told_with_the_row(tmp_path: Path) -> None:
    save_parquet(tmp_path / "test-00000-of-00002.parquet", [SPEECH[0].read_bytes()])
    save_parquet(tmp_path / "test-00001-of-00002.parquet", [SPEECH[1].read_bytes()])
    second = tmp_path / "test-00001-of-00002.parquet"
    corpus = open_corpus(f"hub:{tmp_path}")
    second.write_bytes(second.read_bytes()[:-200])
    with pytest.raises(UserError, match="cannot be read after row 0"):
        list(corpus)


def test_fingerprint_follows_data_config_and_split(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(dataset, copy)
    original = open_corpus(f"hub:{dataset}").fingerprint()
    assert open_corpus(f"hub:{copy}").fingerprint() == original
    assert open_corpus(f"hub:{copy}::validation").fingerprint() != original
    save_parquet(copy / "data" / "test-00001-of-00002.parquet", [SPEECH[0].read_bytes()])
    assert open_corpus(f"hub:{copy}::test").fingerprint() != original


def test_streaming_keeps_no_audio(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(0).uniform(-0.5, 0.5, 50_000), 16_000, format="WAV")
    for shard in range(6):
        save_parquet(tmp_path / f"test-{shard:05d}-of-00006.parquet", [buffer.getvalue()] * 100)
    corpus = open_corpus(f"hub:{tmp_path}")
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        arrow_peak, count = 0, 0
        for utterance in corpus:
            assert len(utterance.audio) == 100_044  # type: ignore[arg-type]
            arrow_peak = max(arrow_peak, pa.total_allocated_bytes() - before)
            count += 1
        _, python_peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 600
    # 60 MB went by, 10 MB a shard; Arrow reads ahead a shard or so.
    assert python_peak < 25e6
    assert arrow_peak < 45e6


@pytest.mark.parametrize("file", sorted(DECLARED_DIR.glob("*.toml")), ids=lambda file: file.stem)
def test_declarations_are_whole(file: Path) -> None:
    declaration = read_declaration(file)
    assert declaration.homepage.startswith("https://")
    assert declaration.hub_id.count("/") == 1
    assert declaration.split == "test"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("split = ", "splitt = "), "split: is missing"),
        (('split = "test"', 'split = "test"\nlicense = "x"'), "key license: 'license' is unknown; did you mean 'licence'"),
        (('text = "text"', "text = 3"), "columns.text: Input should be a valid string"),
        (("[columns]", "[columns"), "not valid TOML"),
    ],
)
def test_a_malformed_declaration_is_told(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    file = tmp_path / "edacc.toml"
    file.write_text((DECLARED_DIR / "edacc.toml").read_text(encoding="utf-8").replace(*change), encoding="utf-8")
    with pytest.raises(UserError, match=complaint):
        read_declaration(file)


@pytest.mark.parametrize("form", ["{}/a.wav", "zip://a.wav::{}/a.zip", "simplecache::{}/a.wav", "zip://a.wav::simplecache::{}/a.zip"])
@pytest.mark.parametrize("local", [True, False])
def test_a_dataset_makes_no_requests(form: str, local: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        path = form.format(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub._encoded({"bytes": None, "path": path}, local=local) == b""
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("source", ["hub:someone/speech", "hub:someone/speech@main:a:test", "librispeech-clean"])
def test_what_a_stored_file_names_is_not_fetched(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FETCH_STORED, raising=False)
    with pytest.raises(UserError, match=rf"is on the network, .* \(allowed: {FETCH_STORED}=1 in the environment"):
        open_stored(source)
    assert open_stored("prompts").name == "prompts"
