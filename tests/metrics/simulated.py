"""Simulated rows: real reference texts, errors and confidences drawn with a seed, so that the truth behind a metric is known."""

import json
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from askd_bench.types import Row, Word

ROOT = Path(__file__).resolve().parents[2]
GRID = (0.5, 0.75, 1.5, 2.0, 3.0)


def references(limit: int | None = None) -> list[str]:
    """The texts of the bundled corpora."""
    texts = []
    for manifest in sorted((ROOT / "suites" / "corpora").glob("*/manifest.jsonl")):
        texts += [json.loads(line)["text"] for line in manifest.read_text().splitlines() if line.strip()]
    return texts[:limit]


def tempered(logprob: float, temperature: float) -> float:
    """As if all other probability lay on one rival token."""
    p = min(max(math.exp(logprob), 1e-9), 1 - 1e-9)
    return -math.log1p(((1 - p) / p) ** (1 / temperature))


def simulate(
    texts: Sequence[str],
    conditions: Sequence[tuple[str, float]] = (("clean", 0.05), ("noise-5", 0.2)),
    *,
    speakers: int = 12,
    dev_share: float = 0.2,
    seed: int = 0,
) -> Iterator[Row]:
    """Each word of a text is wrong with the condition's probability; confidence is higher on average where it is right."""
    rng = random.Random(seed)
    vocabulary = sorted({word for text in texts for word in text.split()})
    for u, text in enumerate(texts):
        for condition, rate in conditions:
            words: list[str] = []
            logprobs: list[tuple[float, ...]] = []
            for word in text.split():
                draw = rng.random()
                if draw < 0.2 * rate:
                    continue
                wrong = draw < rate
                words.append(rng.choice(vocabulary) if wrong else word)
                confidence = rng.betavariate(4, 2) if wrong else rng.betavariate(9, 1)
                first = round(math.log(min(max(confidence, 0.01), 0.9999)), 5)
                logprobs.append((first, round(first / 2, 5)) if len(word) > 6 else (first,))
            tokens = tuple(x for word in logprobs for x in word)
            yield Row(
                condition=condition,
                utterance=f"u{u:05d}",
                reference=text,
                hypothesis=" ".join(words),
                duration_s=round(0.3 * len(text.split()) + 0.5, 3),
                speaker=f"s{u % speakers}" if speakers else None,
                group="ab"[u % 2],
                split="dev" if u < dev_share * len(texts) else "test",
                words=tuple(Word(word, round(math.exp(min(x)), 5)) for word, x in zip(words, logprobs, strict=True)),
                word_tokens=tuple(len(x) for x in logprobs),
                token_logprobs=tokens,
                token_entropies=tuple(round(min(1.0, -x / 3), 5) for x in tokens),
                tempered_logprobs={t: tuple(round(tempered(x, t), 5) for x in tokens) for t in GRID},
                batch=8,
                decode_s=round(0.02 * len(text.split()) + 0.01, 4),
                audio_sha256=f"{condition}-{u}",
            )
