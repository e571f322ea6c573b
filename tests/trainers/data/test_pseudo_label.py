"""Pseudo-labels by the bundled teacher on real clips: filter, resumption, and what cannot be read."""

import json

import pytest

from askd_bench.audio import audio_sha256, read_audio, to_int16
from askd_bench.corpora import open_corpus
from askd_bench.errors import UserError
from askd_trainers.data.pseudo_label import _read_rows, pseudo_label


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, speech):
    rows = [json.loads(line) for line in speech.read_text().splitlines()][:4]
    rows[1]["text"] = rows[1]["text"].upper()
    rows[2]["text"] = ""
    rows[3] |= {"audio_filepath": "nowhere.wav"}
    manifest = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


@pytest.fixture(scope="module")
def labelled(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("labelled") / "out"
    return out, pseudo_label("whisper-tiny.en", str(corpus), out, wer_threshold=1.0, batch_size=2)


def test_what_is_kept_is_a_corpus_with_confidences(labelled):
    out, done = labelled
    assert (done.total, done.kept) == (4, 1)
    assert done.left_out == {"reference in capitals": 1, "empty reference": 1, "unreadable audio": 1}
    (kept,) = list(open_corpus(str(out)))
    assert kept.reference.strip()
    assert kept.audio.is_file()
    row = json.loads((out / "manifest.jsonl").read_text())
    assert 0 < row["confidence"] <= 1
    assert row["split"] == "test"  # the corpus' own: the filter moves nothing to another split


def test_other_thresholds_and_capitals_cost_no_second_transcription(labelled, corpus, monkeypatch):
    out, _ = labelled
    monkeypatch.setattr("askd_bench.models.load.load_transcriber", lambda *_: pytest.fail("transcribed again"))
    done = pseudo_label("whisper-tiny.en", str(corpus), out, wer_threshold=1.0, keep_uppercase=True)
    assert done.kept == 2
    rates = [row["wer"] for row in map(json.loads, (out / "pseudo_labels.jsonl").read_text().splitlines()) if row.get("wer") is not None]
    strict = pseudo_label("whisper-tiny.en", str(corpus), out, wer_threshold=0.0, keep_uppercase=True)
    assert strict.kept == sum(rate == 0 for rate in rates)


def test_interrupted_run_goes_on_with_the_same_result(labelled, corpus, tmp_path):
    out, _ = labelled
    whole = (out / "pseudo_labels.jsonl").read_text()
    cut = tmp_path / "cut"
    cut.mkdir()
    lines = whole.splitlines(keepends=True)
    (cut / "pseudo_labels.jsonl").write_text("".join(lines[:2]) + lines[2][:20])
    pseudo_label("whisper-tiny.en", str(corpus), cut, wer_threshold=1.0, batch_size=2)
    strip = [{k: v for k, v in json.loads(line).items() if k not in ("audio_filepath", "confidence")} for line in lines]
    again = [json.loads(line) for line in (cut / "pseudo_labels.jsonl").read_text().splitlines()]
    assert [{k: v for k, v in row.items() if k not in ("audio_filepath", "confidence")} for row in again] == strip


def test_transcripts_of_another_teacher_or_corpus_are_not_taken_for_these(labelled, corpus, speech):
    out, _ = labelled
    for teacher, other in (("other", corpus), ("whisper-tiny.en", speech)):
        with pytest.raises(UserError, match=r"out: .* holds transcripts of (teacher 'whisper-tiny.en'|corpus .*corpus\.jsonl)"):
            pseudo_label(teacher, str(other), out)


def test_unknown_teacher_leaves_no_folder(corpus, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        pseudo_label("./nowhere", str(corpus), tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"wer_threshold": 1.5}, "wer_threshold: 1.5 is out of range"), ({"batch_size": 0}, "batch_size: 0 is out of range")],
)
def test_options_out_of_range_are_one_line(corpus, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        pseudo_label("whisper-tiny.en", str(corpus), tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("rows", "goes_on"), [("", True), ('{"id": "x"}\n', False)])
def test_damaged_settings_matter_only_where_there_are_transcripts(speech, tmp_path, rows, goes_on):
    (tmp_path / "settings.json").write_text("")
    (tmp_path / "pseudo_labels.jsonl").write_text(rows)
    teacher = "./nowhere"  # the first that is refused once the settings have been looked at
    with pytest.raises(UserError, match="nowhere" if goes_on else "settings.json is damaged"):
        pseudo_label(teacher, str(speech), tmp_path)


def test_clip_that_the_teacher_fails_on_is_an_error_row_and_counted(speech, tmp_path):
    clips = list(open_corpus(str(speech)))[:3]
    hashes = [audio_sha256(to_int16(read_audio(clip.audio))) for clip in clips]
    hypotheses = [clips[0].reference, None, clips[2].reference]
    rows = [{"audio_sha256": sha256, "hypothesis": text} for sha256, text in zip(hashes, hypotheses, strict=True)]
    (tmp_path / "teacher.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(line + "\n" for line in speech.read_text().splitlines()[:3]))
    done = pseudo_label(f"transcripts:{tmp_path / 'teacher.jsonl'}", str(corpus), tmp_path / "out")
    assert (done.total, done.kept, done.left_out) == (3, 2, {"teacher failed": 1})
    (failed,) = [row for row in map(json.loads, (tmp_path / "out" / "pseudo_labels.jsonl").read_text().splitlines()) if "error" in row]
    assert failed["id"] == clips[1].id
    assert "the hypothesis is null" in failed["error"]


@pytest.mark.parametrize("line", ["{}", "[]", '{"id": 3}', '{"id": "a", "wer": "0"}', "[" * 100_000, '{"id": "a", "extra": 1}'])
def test_a_line_that_is_no_transcript_is_told_unless_it_was_cut_short(line, tmp_path):
    rows = tmp_path / "pseudo_labels.jsonl"
    good = json.dumps({"id": "u", "error": "no", "reason": "unreadable audio"}) + "\n"
    rows.write_text(f"{good}{line}\n{good}")
    with pytest.raises(UserError, match=r"pseudo_labels\.jsonl, line 2: ") as caught:
        _read_rows(rows)
    assert str(caught.value).isprintable()
    rows.write_text(good + line)
    assert list(_read_rows(rows)) == ["u"]
    assert rows.read_text() == good
