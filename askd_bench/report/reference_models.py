"""Packaged results of bundled models, cut to what a run at hand has heard."""

from collections.abc import Iterator, Mapping
from typing import Any

from askd_bench.models.names import bundled_models
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import Result
from askd_bench.text import DEFAULT_NORMALISER
from askd_bench.types import Row


def reference_summaries(result: Result) -> dict[str, dict[str, Any]]:
    """Return model -> summary of every bundled model's packaged result on exactly the audio of `result`.

    A packaged row counts only where condition, utterance, the hash of the audio and the reference text agree. Models that lack any of the
    run's rows are left out: figures on unequal speech must not stand side by side. So are models without a bundled checkpoint, such as
    further seeds of an arm: the leaderboard has them all; and the model that was run itself.
    """
    signature, own = result.signature(), _model(result)
    normalizer = (result.summary() or {}).get("normalizer", {}).get("name", DEFAULT_NORMALISER)
    heard = {(row.condition, row.utterance): (row.audio_sha256, row.reference) for row in result.rows() if row.audio_sha256}
    found: dict[str, dict[str, Any]] = {}
    bundled = bundled_models()
    for folder in sorted(REFERENCE_RESULTS_DIR.glob(f"*/{signature.suite.label}/{signature.corpus.name}")):
        if folder.parent.parent.name not in bundled or folder.resolve() == result.path.resolve():
            continue
        if _model(Result.open(folder)) == own:
            continue
        matching = list(_matching(Result.open(folder), heard))
        if heard and len(matching) == len(heard):
            found[folder.parent.parent.name] = result.summarise(matching, normalizer=normalizer)
    return found


def _model(result: Result) -> tuple[object, ...]:
    card = result.signature().model
    return card.id, card.weights_sha256, card.decoding


def _matching(reference: Result, heard: Mapping[tuple[str, str], tuple[str, str]]) -> Iterator[Row]:
    for row in reference.rows():
        if row.audio_sha256 and heard.get((row.condition, row.utterance)) == (row.audio_sha256, row.reference):
            yield row
