"""What the whole core shares: the command, short real speech, and `run` with a stub in place of the recogniser."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, RealRun
from speech_files import write_manifest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin take the cores from the other tests


@pytest.fixture(scope="session")
def askd_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command, in processes of its own."""
    with CommandLine(tmp_path_factory.mktemp("streams")) as command:
        yield command


@pytest.fixture(scope="session")
def real_run(askd_bench: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> RealRun:
    """The bundled checkpoint on two lines of a book, clean and in noise."""
    folder = tmp_path_factory.mktemp("real")
    arguments = ["run", "--corpus", "books", "--limit", "2", "--conditions", "white-0dB", "--workers", "0", "--threads", "1"]
    result = Path(folder, "results", "whisper-tiny.en", "noisy-v1", "books")
    return RealRun(folder, arguments, askd_bench(*arguments, cwd=folder), result)


@pytest.fixture(scope="session")
def short_clips() -> list[Any]:
    """Sixteen of the shortest bundled prompts: real speech, quick to render."""
    from askd_bench.corpora import open_corpus

    return sorted(open_corpus("prompts"), key=lambda u: (u.duration_s or 0.0, u.id))[:16]


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory, short_clips: list[Any]) -> Path:
    """A manifest of ten test and three dev utterances by two speakers, one with a file that is missing."""
    records = [
        {
            "id": f"u{i:02d}",
            "audio_filepath": str(clip.audio),
            "text": clip.reference,
            "duration": clip.duration_s,
            "speaker": "ab"[i % 2],
            "split": "dev" if i >= 10 else "test",
        }
        for i, clip in enumerate(short_clips[:13])
    ]
    records[4]["audio_filepath"] = "nowhere.wav"
    return write_manifest(tmp_path_factory.mktemp("speech") / "small", records)


@pytest.fixture
def stub_model(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make `run` load the stub, and return a function that sets which."""
    import stub_transcriber

    from askd_bench.evaluation import run as module

    def use(transcriber: Any = None) -> Any:
        monkeypatch.setattr(module, "load_transcriber", (lambda *_: transcriber) if transcriber else stub_transcriber.load_stub)
        return transcriber

    use()
    return use
