"""Every condition of every suite still renders to the same bits: `tests/golden/audio.jsonl`, made by tools/build_golden_audio.py."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from askd_bench.evaluation.rendered_audio import check
from askd_bench.paths import NOISE_DIR
from askd_bench.suites import bundled_suites, load_suite

GOLDEN = Path(__file__).parent / "golden" / "audio.jsonl"
OTHER_PROCESSORS = GOLDEN.with_name("audio_without_avx512.jsonl")


def test_the_golden_hashes_cover_every_condition_of_every_suite() -> None:
    covered: defaultdict[str, set[str]] = defaultdict(set)
    for line in GOLDEN.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert row["error"] is None, row
        covered[row["suite"]].add(row["condition"])
    assert covered == {name: set(load_suite(name).conditions) for name in bundled_suites()}


def test_audio_is_the_same_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKD_CACHE", str(tmp_path))  # rooms are simulated anew, not read from an earlier run
    differing = check(GOLDEN, noise_dir=NOISE_DIR, workers=2)
    assert differing == [] or (differing == known_differences() and check(OTHER_PROCESSORS, noise_dir=NOISE_DIR, workers=0) == [])


def known_differences() -> list[str]:
    """Return what `check` says where the processor has no AVX-512: simulated rooms round one of 541 clips otherwise."""
    golden = {(row["suite"], row["condition"]): row["audio_sha256"] for row in map(json.loads, GOLDEN.read_text("utf-8").splitlines())}
    return [
        f"{row['suite']} {row['source']} {row['condition']} {row['utterance']}: "
        f"{golden[row['suite'], row['condition']]} -> {row['audio_sha256']}"
        for row in map(json.loads, OTHER_PROCESSORS.read_text("utf-8").splitlines())
    ]


def test_a_changed_hash_is_found(tmp_path: Path) -> None:
    line = next(line for line in GOLDEN.read_text(encoding="utf-8").splitlines() if '"white-10dB"' in line)
    row = json.loads(line)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(json.dumps(row | {"audio_sha256": "0" * 64}) + "\n", encoding="utf-8")
    assert check(manifest, workers=0) == [f"noisy books white-10dB {row['utterance']}: {'0' * 64} -> {row['audio_sha256']}"]
