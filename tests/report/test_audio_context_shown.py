"""A short audio context is on the table's caption and in what `compare` lists as decoded differently; nothing is said of a full one."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stub_transcriber import CARD, HashingTranscriber

from askd_bench.evaluation.run import run
from askd_bench.report.compare import compare, comparison_view, decoded_differently
from askd_bench.report.headline import headline
from askd_bench.results import Result


@pytest.fixture
def short_and_full(small_corpus: Path, stub_model: Any, tmp_path: Path) -> tuple[Path, Path]:
    paths = []
    for name, more in (("short", {"audio_context": "margin 64"}), ("full", {})):
        stub_model(HashingTranscriber(card=CARD.model_copy(update={"id": name, "decoding": {**CARD.decoding, **more}})))
        [result] = run("noisy", name, corpus=[str(small_corpus)], conditions=["clean"], workers=0, output=tmp_path)
        paths.append(result.path)
    return paths[0], paths[1]


def text_of(shown: Any) -> str:
    screen = Console(width=250, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    screen.print(shown)
    return screen.export_text()


def test_it_is_shown_where_it_is_set(short_and_full: tuple[Path, Path]) -> None:
    short, full = short_and_full
    assert "Audio context: margin 64." in text_of(headline(Result.open(short)))
    assert "Audio context" not in text_of(headline(Result.open(full)))
    assert decoded_differently(short, full) == ['teacher: audio_context: "margin 64" -> null']
    assert decoded_differently(full, full, control=short) == ['control: audio_context: null -> "margin 64"']
    view = comparison_view(compare(short, full), decoded_differently(short, full))
    assert 'Decoded differently, student -> other: teacher: audio_context: "margin 64" -> null.' in " ".join(text_of(view).split())
