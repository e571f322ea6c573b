"""The command line as a person meets it: at once, whatever the console, and one line for whatever is wrong."""

import importlib.metadata
import json
import os
from pathlib import Path

import pytest
from command_line import SLOW, CommandLine, check_refused, everything, without
from speech_files import write_manifest

from askd_bench.commands.reading import Listed
from askd_bench.corpora import open_corpus
from askd_bench.models.names import DEFAULT_MODEL, bundled_models

WRONG = {
    "suite": (["--suite", "nosiy"], ["suite: 'nosiy' is unknown; did you mean 'noisy'?"]),
    "suite file": (["--suite", "absent.toml"], ["suite: 'absent.toml' does not exist"]),
    "model": (["--model", "whisper-tny.en"], ["model: 'whisper-tny.en' is unknown; did you mean 'whisper-tiny.en'?"]),
    "condition": (["--conditions", "bable-10dB"], ["conditions: 'bable-10dB' is unknown; did you mean 'babble-10dB'"]),
    "sub-grid": (["--conditions", "@sbr"], ["'@sbr' is unknown; did you mean '@srb'"]),
    "corpus": (["--corpus", "dialog"], ["corpus: 'dialog' is unknown; did you mean 'dialogue'?"]),
    "declared corpus": (["--corpus", "librispech-clean"], ["did you mean 'librispeech-clean'"]),
    "missing manifest": (["--corpus", "absent.jsonl"], ["corpus: absent.jsonl does not exist"]),
    "empty manifest": (["--corpus", "empty.jsonl"], ["empty.jsonl is empty: it must list at least one utterance"]),
    "malformed manifest": (["--corpus", "malformed.jsonl"], ["malformed.jsonl, line 2: is not JSON"]),
    "folder without speech": (["--corpus", "folder"], ["folder folder must hold manifest.jsonl, metadata.csv or wav.scp"]),
    "two corpora of one name": (["--corpus", "books", "--corpus", "books"], ["are called 'books'"]),
    "conditions and full": (["--conditions", "clean", "--full"], ["cannot be combined with full"]),
    "limit": (["--limit", "-1"], ["limit: -1 is out of range (allowed: 1 or more, or 0 for all)"]),
    "limit that is no number": (["--limit", "many"], ["--limit", "valid integer"]),
    "batch size": (["--batch-size", "0"], ["batch_size: 0 is out of range (allowed: 1 or more)"]),
    "workers": (["--workers", "-1"], ["workers: -1 is out of range"]),
    "shard": (["--shard", "9/8"], ["shard: '9/8' is none (allowed: i/n with i from 1 to n, e.g. 3/8)"]),
    "more shards than work": (["--shard", "1/999"], ["shard: 1/999 would leave shards without work", "allowed: at most"]),
    "executor": (["--executor", "rey"], ["executor: 'rey' is unknown; did you mean 'ray'? (allowed: local, ray)"]),
    "workers of ray": (["--executor", "ray", "--workers", "2"], ["workers: 2 cannot be combined with executor ray"]),
    "address of local": (["--address", "auto"], ["address: 'auto' is of no use to executor local"]),
    "split": (["--split", "train"], ["split: 'train' is unknown (allowed: dev, test)"]),
    "split without utterances": (["--split", "dev", "--corpus", "books"], ["corpus: 'books' has no 'dev' utterances"]),
    "noise folder": (["--noise-dir", "absent"], ["noise_dir: 'absent' is not a folder"]),
    "noise folder needed": (["--suite", "own-noise"], ["noise_dir: none given"]),
    "noise folder without noise": (["--suite", "own-noise", "--noise-dir", "folder"], ["noise_dir: no audio file in 'folder'"]),
    "dtype": (["--dtype", "float8"], ["dtype: 'float8' is unknown", "float32"]),
    "device": (["--device", "gpu"], ["device: 'gpu' is unknown", "cpu"]),
    "threads": (["--threads", "0"], ["threads: 0 is out of range (allowed: 1 or more)"]),
    "beams": (["--num-beams", "0"], ["num_beams: 0 is out of range (allowed: 1 or more)"]),
    "audio context": (["--audio-context", "-1"], ["audio_context: '-1' is out of range (allowed: a whole number, 0 or more"]),
    "language": (["--language", "de"], ["language: 'de'", "English-only"]),
    "task": (["--task", "sing"], ["task: 'sing' is unknown", "transcribe, translate"]),
    "normaliser": (["--normalizer", "wisper-english"], ["'wisper-english' is unknown; did you mean 'whisper-english'"]),
    "unknown option": (["--sute", "noisy"], ["No such option", "--sute"]),
    "output that is a file": (["--output", "a-file"], ["output: 'a-file/", "cannot be written"]),
    "checkpoint that is no speech model": (["--model", "tiny-bert"], ["model: 'tiny-bert' is a 'bert' checkpoint", "allowed: speech"]),
    "folder without a checkpoint": (["--model", "folder"], ["model: 'folder' has no readable configuration"]),
    "corrupt weights": (["--model", "corrupt"], ["model: 'corrupt' cannot be loaded"]),
    "a file for a checkpoint": (["--model", "a-file"], ["model: 'a-file' is a file"]),
    "hub model out of reach": (["--model", "nobody/nothing-xyz"], ["model: 'nobody/nothing-xyz'"]),
}


@pytest.fixture(scope="module")
def wrong_things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that `WRONG` names."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "a-file").write_text("in the way")
    (folder / "empty.jsonl").write_text("\n")
    (folder / "malformed.jsonl").write_text('{"audio_filepath": "a.wav", "text": "a"}\n{"audio_filepath"\n')
    (folder / "folder").mkdir()
    (folder / "tiny-bert").mkdir()
    (folder / "tiny-bert" / "config.json").write_text('{"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2}')
    (folder / "corrupt").mkdir()
    for file in bundled_models()[DEFAULT_MODEL].glob("*.json"):
        if file.name != "model.safetensors.index.json":
            (folder / "corrupt" / file.name).write_bytes(file.read_bytes())
    (folder / "corrupt" / "model.safetensors").write_bytes(b"not tensors at all")
    return folder


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_one_line_and_exit_code_2_and_nothing_is_written(case: str, askd_bench: CommandLine, wrong_things: Path) -> None:
    arguments, said = WRONG[case]
    before = everything(wrong_things)
    with_speech = [] if "--corpus" in arguments or "own-noise" in arguments else ["--corpus", "books"]
    check_refused(askd_bench("run", *with_speech, *arguments, cwd=wrong_things), *said)
    assert everything(wrong_things) == before


def test_the_other_commands_refuse_as_clearly(askd_bench: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('name = "bad"\nversion = 1\ntitle = "t"\ndescription = "d"\ncorpora = ["books"]\nsnr = 3\n')
    for arguments, said in (
        (["validate", "bad.toml"], ["bad.toml: key snr: 'snr' is unknown", "allowed"]),
        (["validate"], ["Missing argument"]),
        (["list", "suits"], ["'suits' is not one of"]),
        (["list", "conditions", "--suite", "nosiy"], ["did you mean 'noisy'"]),
        (["score", "absent"], ["result_dir: 'absent' is not a folder"]),
        (["score", "."], ["has no signature.json"]),
        (["compare", "absent", "absent"], ["result_dir: 'absent' is not a folder"]),
        (["render"], ["out: is missing"]),
        (["merge", "absent"], ["shards: none is in 'absent'"]),
        (["merge"], ["Missing argument"]),
        (["rum"], ["No such command", "rum"]),
    ):
        check_refused(askd_bench(*arguments, cwd=tmp_path), *said)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


@pytest.mark.parametrize("arguments", ["--help", "run --help", *(f"list {what}" for what in Listed)])
def test_help_and_lists_answer_at_once(arguments: str, tmp_path: Path) -> None:
    """Within half a second, which no test can ask of a busy machine: by what they do not load."""
    done = without(SLOW, *arguments.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
    assert len(done.stdout.splitlines()) > 3


def test_version_and_short_help(askd_bench: CommandLine, tmp_path: Path) -> None:
    done = askd_bench("--version", cwd=tmp_path)
    assert (done.code, done.out) == (0, f"askd-bench {importlib.metadata.version('askd-bench')}\n")
    for command in ([], ["compare"]):
        short, long = (askd_bench(*command, option, cwd=tmp_path) for option in ("-h", "--help"))
        assert short.code == 0
        assert short.out == long.out != ""


def test_text_that_is_no_unicode_stops_nothing(askd_bench: CommandLine, tmp_path: Path) -> None:
    """The name of the corpus' folder; groups in rows made elsewhere: stored, scored and printed, by a console of few characters too."""
    speech = str(next(iter(open_corpus("books"))).audio)
    records = [{"id": name, "audio_filepath": speech, "text": "a"} for name in "xy"]
    manifest = write_manifest(tmp_path / "names", records)
    try:
        manifest = manifest.parent.rename(tmp_path / os.fsdecode(b"names-\xff")) / manifest.name
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    options = ["--corpus", manifest, "--conditions", "clean", "--workers", "0"]
    done = askd_bench("run", *options, cwd=tmp_path, stub=True)
    assert done.code == 0, done.err
    [rows] = tmp_path.glob("results/*/*/*/utterances.jsonl")
    assert json.loads((rows.parent / "signature.json").read_text(encoding="utf-8"))["corpus"]["source"] == str(manifest)
    assert askd_bench("render", *options, "--out", "audio", cwd=tmp_path).code == 0
    assert json.loads((tmp_path / "audio" / "manifest.jsonl").open(encoding="utf-8").readline())["source"] == str(manifest)
    odd = [json.loads(line) | {"group": f"Zürich \ud800{number % 2}"} for number, line in enumerate(rows.read_text().splitlines())]
    rows.write_text("".join(json.dumps(row) + "\n" for row in odd))
    for command in ("score", "groups"):
        done = askd_bench(command, rows.parent, cwd=tmp_path)
        assert done.code == 0, done.err
    assert "Zürich \N{REPLACEMENT CHARACTER}1" in done.out
    ascii_alone = without(set(), "groups", rows.parent, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert "Z\\xfcrich \\ufffd1" in ascii_alone.stdout
