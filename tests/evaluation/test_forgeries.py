"""A red team: what can be forged in a result directory, and what of it is found without the model. docs/RELIABILITY.md has the counts."""

import bz2
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from askd_bench.evaluation.checks.known import Known
from askd_bench.evaluation.checks.signature import card_problems
from askd_bench.evaluation.verify import verify
from askd_bench.paths import REFERENCE_RESULTS_DIR
from askd_bench.results import SUMMARY_FILE, Result
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE

Line = dict[str, Any]
Forgery = Callable[[Path], None]
MODEL, OTHER = "whisper-tiny.en-kd-s0", "whisper-tiny.en-ce-s0"
CONDITIONS = ("clean", "babble-10dB")
RELIABILITY = Path(__file__).resolve().parents[2] / "docs" / "RELIABILITY.md"


def packaged(model: str) -> list[Line]:
    """A packaged model's rows under two conditions, development lines included."""
    lines = bz2.decompress((REFERENCE_RESULTS_DIR / model / "noisy-v1" / "dialogue" / f"{ROWS_FILE}.bz2").read_bytes()).splitlines()
    return [row for row in map(json.loads, lines) if row["condition"] in CONDITIONS]


def write(path: Path, lines: list[Line]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    (path / ROWS_FILE).write_text(text, encoding="utf-8")


def of_rows(change: Callable[[list[Line]], object]) -> Forgery:
    """Change the list of rows, or the rows in it."""

    def forge(path: Path) -> None:
        lines = [json.loads(line) for line in (path / ROWS_FILE).read_text(encoding="utf-8").splitlines()]
        change(lines)
        write(path, lines)

    return forge


def of_each(change: Callable[[Line], Line], of: Callable[[Line], bool] = lambda row: True, most: int = 1000) -> Forgery:
    """Change up to `most` rows that have words."""

    def every(lines: list[Line]) -> None:
        for row in [row for row in lines if row["words"] and of(row)][:most]:
            row |= change(row)

    return of_rows(every)


def of_signature(*keys: str, value: Any) -> Forgery:
    def forge(path: Path) -> None:
        signature = json.loads((path / SIGNATURE_FILE).read_text())
        inner = signature
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value(inner.get(keys[-1])) if callable(value) else value
        (path / SIGNATURE_FILE).write_text(json.dumps(signature, indent=1, ensure_ascii=False) + "\n")

    return forge


def failed(row: Line) -> Line:
    empty: Line = {"words": [], "word_tokens": [], "token_logprobs": [], "token_entropies": [], "tempered_logprobs": {}}
    return empty | {"hypothesis": None, "batch": 0, "decode_s": None, "error": "cannot be read"}


def emptied(row: Line) -> Line:
    return failed(row) | {"hypothesis": "", "batch": row["batch"], "error": None}


def spoken(row: Line, value: Callable[[float], float], entropy: float) -> Line:
    """The reference as the hypothesis, each word one token with a log-probability by temperature."""
    words = row["reference"].split()
    grid = {t: [round(value(1 / float(t)), 5)] * len(words) for t in row["tempered_logprobs"]}
    sure = round(math.exp(round(value(1.0), 5)), 5)
    own = {"token_logprobs": [round(value(1.0), 5)] * len(words), "token_entropies": [round(entropy, 5)] * len(words)}
    return (
        {"hypothesis": " ".join(words), "words": [[word, sure] for word in words], "word_tokens": [1] * len(words)}
        | own
        | {"tempered_logprobs": grid}
    )


def two_words(row: Line) -> Line:
    """As if there were only one other token, with a logit 5 lower: a distribution like any other."""
    p = 1 / (1 + math.exp(-5))
    entropy = -(p * math.log(p) + (1 - p) * math.log(1 - p)) / math.log(51_864)
    return spoken(row, lambda beta: -math.log1p(math.exp(-5 * beta)), entropy)


def one_word(row: Line) -> Line:
    text = "better" + row["words"][0][0][-1:] if not row["words"][0][0][-1:].isalnum() else "better"
    return {"words": [[text, row["words"][0][1]], *row["words"][1:]], "hypothesis": " ".join([text, *row["hypothesis"].split()[1:]])}


def cut_short(row: Line) -> Line:
    """Leave out the last word with all that belongs to it, as one cuts a loop."""
    left = sum(row["word_tokens"][:-1])
    values = {name: row[name][:left] for name in ("token_logprobs", "token_entropies")}
    grid = {t: own[:left] for t, own in row["tempered_logprobs"].items()} if left else {}
    text = " ".join(word for word, _ in row["words"][:-1])
    return {"hypothesis": text, "words": row["words"][:-1], "word_tokens": row["word_tokens"][:-1], **values, "tempered_logprobs": grid}


def raised(row: Line, by: float) -> list[float]:
    return [round(x * by, 5) + 0.0 for x in row["token_logprobs"]]


def confident(row: Line) -> Line:
    """More confidence everywhere, words and log-probabilities agreeing."""
    values, words, at = raised(row, 0.5), [], 0
    for (word, _), size in zip(row["words"], row["word_tokens"], strict=True):
        words.append([word, round(math.exp(min(values[at : at + size])), 5)] if size else [word, None])
        at += size
    return {"token_logprobs": values, "words": words}


def grid_of(row: Line, change: Callable[[float, float], float]) -> Line:
    return {"tempered_logprobs": {t: [round(change(float(t), x), 5) + 0.0 for x in own] for t, own in row["tempered_logprobs"].items()}}


def copied(share: float) -> Forgery:
    def forge(path: Path) -> None:
        lines, others = [json.loads(x) for x in (path / ROWS_FILE).read_text(encoding="utf-8").splitlines()], packaged(OTHER)
        write(path, [other if i < share * len(lines) else row for i, (row, other) in enumerate(zip(lines, others, strict=True))])

    return forge


def renamed(path: Path) -> None:
    """Another model's rows, whole, under weights of one's own."""
    copied(1.0)(path)
    of_signature("model", "weights_sha256", value="ab" * 32)(path)
    of_signature("model", "id", value="mine")(path)
    new = path.parents[1].with_name("mine")
    path.parents[1].rename(new)


def noisy(row: Line) -> bool:
    return bool(row["condition"] != "clean")


def dev(row: Line) -> bool:
    return bool(row["split"] == "dev")


def beside(name: str, content: bytes | None = None) -> Forgery:
    def forge(path: Path) -> None:
        (path / name).write_bytes(bz2.compress((path / ROWS_FILE).read_bytes()) if content is None else content)

    return forge


def doubled_key(path: Path) -> None:
    text = (path / SIGNATURE_FILE).read_text()
    (path / SIGNATURE_FILE).write_text(text.replace(' "batch_size"', ' "batch_size": 1,\n "batch_size"', 1))


def doubled_field(path: Path) -> None:
    text = (path / ROWS_FILE).read_text(encoding="utf-8")
    (path / ROWS_FILE).write_text(text.replace('"batch":', '"batch":1,"batch":', 1), encoding="utf-8")


def moved(path: Path) -> None:
    path.parents[1].rename(path.parents[1].with_name("better"))


FOUND: dict[str, Forgery] = {
    "hypotheses replaced by references": of_each(lambda row: {"hypothesis": row["reference"]}),
    "references with the old words' values": of_each(lambda row: {"words": [[x, 0.9] for x in row["reference"].split()]}),
    "references, one probability at all temperatures": of_each(lambda row: spoken(row, lambda beta: -0.0101, 0.002)),
    "references, log-probabilities divided by the temperature": of_each(lambda row: spoken(row, lambda beta: -0.05 * beta, 0.02)),
    "references, entropies by guess": of_each(lambda row: two_words(row) | {"token_entropies": [0.3] * len(row["reference"].split())}),
    "an easier reference": of_each(lambda row: {"reference": row["hypothesis"]}),
    "the worst rows failed, with hash": of_each(failed, noisy, 10),
    "the worst rows failed, without hash": of_each(lambda row: failed(row) | {"audio_sha256": None}, noisy, 10),
    "the worst rows left out": of_rows(lambda rows: rows.__delitem__(slice(-5, None))),
    "a row twice": of_rows(lambda rows: rows.append(rows[-1])),
    "a condition left out": of_rows(lambda rows: rows.__setitem__(slice(None), [row for row in rows if not noisy(row)])),
    "clean rows as noisy ones": of_rows(
        lambda rows: rows.__setitem__(
            slice(None),
            [row for row in rows if not noisy(row)] + [row | {"condition": "babble-10dB"} for row in rows if row["split"] == "test"][:24],
        )
    ),
    "audio of a few clips": of_each(lambda row: {"audio_sha256": "ab" * 32}, noisy, 3),
    "all audio": of_each(lambda row: {"audio_sha256": "ab" * 32}),
    "hash in capitals": of_each(lambda row: {"audio_sha256": row["audio_sha256"].upper()}, most=1),
    "longer audio": of_each(lambda row: {"duration_s": row["duration_s"] * 2}),
    "one clip longer": of_each(lambda row: {"duration_s": row["duration_s"] + 1}, most=1),
    "speech louder than it was": of_each(lambda row: {"realised": row["realised"] | {"snr_db": 20.0}}, noisy),
    "one realised parameter": of_each(lambda row: {"realised": row["realised"] | {"snr_db": row["realised"]["snr_db"] - 1}}, noisy, 1),
    "no realised parameters": of_each(lambda row: {"realised": {}}, noisy),
    "a timing for one row": of_each(lambda row: {"decode_s": 0.01}, most=1),
    "timings that no batch has": of_rows(lambda rows: [row.update(decode_s=round(0.01 + i / 1000, 5)) for i, row in enumerate(rows)]),
    "timings faster than a processor": of_rows(
        lambda rows: [row.update(decode_s=0.00001, batch=1) for row in rows]  # with a batch of one, nobody shares
    ),
    "negative timings": of_each(lambda row: {"decode_s": -1.0}),
    "batches larger than asked for": of_each(lambda row: {"batch": 99}),
    "batch of none": of_each(lambda row: {"batch": 0}),
    "confidences of words raised": of_each(lambda row: {"words": [[word, 0.99] for word, _ in row["words"]]}),
    "one confidence raised": of_each(lambda row: {"words": [[row["words"][0][0], 0.123], *row["words"][1:]]}, most=1),
    "confidences left out": of_each(lambda row: {"words": [[word, None] for word, _ in row["words"]]}),
    "words and log-probabilities raised together": of_each(confident),
    "dev rows raised together": of_each(confident, dev),
    "log-probabilities above 0": of_each(lambda row: {"token_logprobs": [0.1] * len(row["token_logprobs"])}),
    "entropies halved": of_each(lambda row: {"token_entropies": [round(x / 2, 5) for x in row["token_entropies"]]}),
    "entropies left out of a few rows, too many elsewhere": of_each(
        lambda row: {"token_entropies": [0.5, *row["token_entropies"]]}, most=3
    ),
    "another grid": of_each(lambda row: {"tempered_logprobs": {"3.0": row["token_logprobs"]}}, most=1),
    "temperatures exchanged": of_each(
        lambda row: {"tempered_logprobs": dict(zip(row["tempered_logprobs"], list(row["tempered_logprobs"].values())[::-1], strict=True))}
    ),
    "log-probabilities at temperatures halved": of_each(lambda row: grid_of(row, lambda t, x: x / 2)),
    "the same at every temperature": of_each(
        lambda row: {"tempered_logprobs": dict.fromkeys(row["tempered_logprobs"], row["token_logprobs"])}
    ),
    "dev rows' grid made to fit temperature 2": of_each(lambda row: grid_of(row, lambda t, x: 0.0 if t == 2 else x), dev),
    "no grid in some rows": of_each(lambda row: {"tempered_logprobs": {}}, most=5),
    "another speaker": of_each(lambda row: {"speaker": "someone"}, most=1),
    "test rows as dev": of_each(lambda row: {"split": "dev"}, noisy, 3),
    "all rows of another model": copied(1.0),
    "two thirds of another model": copied(0.67),
    "another model's rows under a new name": renamed,
    "the folder renamed": moved,
    "another weights hash": of_signature("model", "weights_sha256", value="ab" * 32),
    "a weights hash that is none": of_signature("model", "weights_sha256", value="unknown"),
    "fewer parameters": of_signature("model", "parameters", value=1_000_000),
    "fewer bytes": of_signature("model", "weights_bytes", value=1_000),
    "fewer operations": of_signature("model", "macs_per_second", value=1_000),
    "another architecture": of_signature("model", "architecture", value="Wav2Vec2ForCTC"),
    "int8 that is none": of_signature("model", "dtype", value="int8"),
    "float16 that is none": of_signature("model", "dtype", value="float16"),
    "a smaller batch": of_signature("batch_size", value=1),
    "no threads": of_signature("model", "threads", value=0),
    "other beams": of_signature("model", "decoding", "num_beams", value=5),
    "more planned rows": of_signature("planned_rows", value=1000),
    "a version that is none": of_signature("versions", "torch", value="the newest"),
    "no version of torch": of_signature("versions", value=lambda known: {k: v for k, v in known.items() if k != "torch"}),
    "a GPU without a build for it": of_signature("model", "device", value="cuda"),
    "another suite": of_signature("suite", "fingerprint", value="0" * 64),
    "another seed rule": of_signature("rules", "seed", value="mine"),
    "another licence": of_signature("corpus", "licence", value="CC0"),
    "a key that is unknown": of_signature("verified", value=True),
    "a key twice in the signature": doubled_key,
    "a key twice in a row": doubled_field,
    "other rows beside": beside(f"{ROWS_FILE}.bz2"),
    "figures beside": beside(f"{SUMMARY_FILE}.gz", b""),
}
"""What is found without the model."""

MISSED: dict[str, Forgery] = {
    "references, with confidences of an invented distribution": of_each(two_words),
    "a wrong word made right, its values kept": of_each(one_word, most=3),
    "the last word left out with its values": of_each(cut_short, noisy, 3),
    "loops emptied": of_each(emptied, noisy, 3),
    "a third of another model's rows": copied(0.33),
    "another hash for one clip": of_each(lambda row: {"audio_sha256": "ab" * 32}, noisy, 1),
}
"""What only the model can tell, or a look at the audio; docs/RELIABILITY.md says why."""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged result cut to two conditions, as `run --conditions babble-10dB` leaves it."""
    path = tmp_path_factory.mktemp("honest") / MODEL / "noisy-v1" / "dialogue"
    path.mkdir(parents=True)
    shutil.copy(REFERENCE_RESULTS_DIR / MODEL / "noisy-v1" / "dialogue" / SIGNATURE_FILE, path)
    of_signature("conditions", value=lambda known: {name: known[name] for name in CONDITIONS})(path)
    of_signature("planned_rows", value=len(packaged(MODEL)))(path)
    write(path, packaged(MODEL))
    Result.open(path).write_summary()
    return path


@pytest.fixture(scope="module")
def found(honest: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Forgery -> what is found, but for the summary: a forger computes it anew."""
    everything = {**FOUND, **MISSED}
    places = {name: forged(forgery, honest, tmp_path_factory.mktemp("forged")) for name, forgery in everything.items()}
    verdicts = verify([honest, *places.values()], sample=0, workers=0)
    assert next(verdicts).problems == ()
    return {name: [x for x in one.problems if not of_summary(x)] for name, one in zip(places, verdicts, strict=True)}


def of_summary(problem: str) -> bool:
    return problem.startswith("summary: ") or problem.endswith("more entries of the summary")


def forged(forgery: Forgery, honest: Path, folder: Path) -> Path:
    path = folder / MODEL / "noisy-v1" / "dialogue"
    shutil.copytree(honest, path)
    forgery(path)
    [signature] = folder.glob(f"*/*/*/{SIGNATURE_FILE}")
    return signature.parent


@pytest.mark.parametrize("name", FOUND)
def test_a_forgery_is_found_without_the_model(name: str, found: dict[str, list[str]]) -> None:
    assert found[name]


@pytest.mark.parametrize("name", MISSED)
def test_what_is_missed_is_in_the_document(name: str, found: dict[str, list[str]]) -> None:
    assert found[name] == []
    assert name in RELIABILITY.read_text("utf-8")


def test_the_document_counts_them() -> None:
    assert f"{len(FOUND)} of {len(FOUND) + len(MISSED)} forgeries" in RELIABILITY.read_text("utf-8")


def test_other_bits_in_one_clip_of_a_hundred_are_a_note() -> None:
    result = Result(REFERENCE_RESULTS_DIR / MODEL / "noisy-v1" / "dialogue")
    rows, known = list(result.rows()), Known(REFERENCE_RESULTS_DIR)
    most = len(rows) // 100
    for count in (0, most, most + 1):
        changed = [replace(row, audio_sha256="ab" * 32) if i < count else row for i, row in enumerate(rows)]
        wrong, apart = known.audio_problems(result.signature(), changed)
        assert (len(wrong), len(apart)) == ((0, count) if count <= most else (count, 0))


def test_transcripts_have_no_threads() -> None:
    signature = Result(REFERENCE_RESULTS_DIR / MODEL / "noisy-v1" / "dialogue").signature()
    for source, problems in ((signature.model.source, 1), ("transcripts:heard.jsonl", 0)):
        card = signature.model.model_copy(update={"source": source, "threads": 0})
        changed = signature.model_copy(update={"model": card})
        assert len(list(card_problems(changed, signature.planned_rows or 0))) == problems
