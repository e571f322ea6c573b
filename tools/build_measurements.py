"""The arithmetic of docs/MEASUREMENTS.md, from what was measured and what is assumed: `python tools/build_measurements.py [--check]`."""

import argparse
import sys
from pathlib import Path

from transformers import WhisperConfig

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from askd_bench.models.names import DEFAULT_MODEL  # noqa: E402
from askd_bench.models.size import TOKENS_PER_SECOND, whisper_macs  # noqa: E402
from askd_bench.results import Result  # noqa: E402

DOC = ROOT / "docs" / "MEASUREMENTS.md"
ROWS = Result(ROOT / "reference_results" / DEFAULT_MODEL / "noisy-v1" / "dialogue")
START, END = "<!-- arithmetic: python tools/build_measurements.py -->", "<!-- end of arithmetic -->"

# Measured with tests/benchmarks/bench_cost.py: processor seconds, one thread of a virtual AMD EPYC (AVX-512, no AMX), torch 2.13, float32.
RENDERING = {  # suite: (conditions of its default grid, seconds for a second of audio)
    "clean": (1, 0.0011),
    "noisy": (6, 0.0044),
    "far-field": (10, 0.0038),
    "telephony": (13, 0.0066),
    "calls": (10, 0.0113),
    "accents": (4, 0.0043),
    "distortion": (15, 0.0029),
}
CLIP_S = 3.40  # mean of the clips below
FRONT_END, ENCODER, DECODER = 0.0012, 0.6313, 0.1077  # whisper-tiny.en on clean, seconds a clip, batches of 16
ROW_TO_JSON = 130e-6  # seconds to write a row of 1,706 bytes

# Assumed.
HOURS, CONDITIONS, MODELS, FAMILIES = 100_000, 60, 100, 10
MEAN_CLIP_S = 10.0
GPU_MACS = 40e12  # sustained multiply-accumulates a second of one GPU in float16
FLAC_BYTES = 17_600  # a second of 16 kHz int16 at 55 %
DISTILLED = {  # a student of whisper-small: its encoder, two decoder layers
    "d_model": 768, "encoder_layers": 12, "decoder_layers": 2, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "num_mel_bins": 80,
    "max_source_positions": 1500, "max_target_positions": 448, "vocab_size": 51864,
}  # fmt: skip

TINY = {  # of the model that was measured
    "d_model": 384, "encoder_layers": 4, "decoder_layers": 4, "encoder_ffn_dim": 1536, "decoder_ffn_dim": 1536, "num_mel_bins": 80,
    "max_source_positions": 1500, "max_target_positions": 448, "vocab_size": 51864,
}  # fmt: skip


def thousand_hours() -> str:
    """Return what 1,000 hours under one condition cost on processor cores, part by part."""
    audio_s, clips = 3.6e6, 3.6e6 / MEAN_CLIP_S
    parts = {
        "rendering, mean of the default grids": rendering() * audio_s,
        "front end": FRONT_END / CLIP_S * audio_s,
        "encoder (a whole window for every clip)": ENCODER * clips,
        "decoder (grows with the text)": DECODER / CLIP_S * audio_s,
        "writing rows": ROW_TO_JSON * clips,
    }
    lines = ["| part | core hours |", "| --- | ---: |"]
    lines += [f"| {part} | {seconds / 3600:.1f} |" for part, seconds in parts.items()]
    return "\n".join([*lines, f"| **together** | **{sum(parts.values()) / 3600:.0f}** |"])


def packaged_rows() -> tuple[int, float, float, float]:
    """Return of the packaged rows their number, and of one of them seconds of speech, bytes as written and bytes as stored."""
    file = ROWS.rows_file()
    assert file is not None
    assert file.suffix == ".bz2"
    count = sum(1 for _ in ROWS.lines())
    totals = (sum(row.duration_s for row in ROWS.rows()), sum(map(len, ROWS.lines())), file.stat().st_size)
    return count, *(total / count for total in totals)


def rendering() -> float:
    """Return processor seconds for a second of audio, mean over the conditions of the default grids."""
    return sum(count * seconds for count, seconds in RENDERING.values()) / sum(count for count, _ in RENDERING.values())


def plan() -> str:
    """Return the whole plan: what it takes if every model is run by itself, and what with each rendering and each encoder pass shared."""
    audio_s = HOURS * 3600.0 * CONDITIONS
    clips = audio_s / MEAN_CLIP_S
    window = whisper_macs(WhisperConfig(**DISTILLED), tokens=round(TOKENS_PER_SECOND * MEAN_CLIP_S))
    encoder = encoder_macs(DISTILLED)
    rest = window - encoder
    alone, shared = clips * MODELS * window, clips * (FAMILIES * encoder + MODELS * rest)
    cpu_rate = encoder_macs(TINY) / ENCODER
    rows = clips * MODELS
    packaged, audio_s_a_row, row_bytes, row_bytes_bz2 = packaged_rows()
    long_row_bytes, long_row_bytes_bz2 = (size / audio_s_a_row * MEAN_CLIP_S for size in (row_bytes, row_bytes_bz2))
    table = [
        ("renderings", figure(rows), figure(clips)),
        ("core hours of rendering", hours(rendering() * audio_s * MODELS), hours(rendering() * audio_s)),
        ("encoder passes", figure(rows), figure(clips * FAMILIES)),
        ("multiply-accumulates", figure(alone), figure(shared)),
        (f"GPU hours at {GPU_MACS / 1e12:.0f} T/s", hours(alone / GPU_MACS), hours(shared / GPU_MACS)),
        (f"core hours at {cpu_rate / 1e9:.0f} G/s, as measured", hours(alone / cpu_rate), hours(shared / cpu_rate)),
        ("rows", figure(rows), figure(rows)),
        ("rows, TB", f"{rows * long_row_bytes / 1e12:,.0f}", f"{rows * long_row_bytes / 1e12:,.0f}"),
        ("rows as bz2, TB", f"{rows * long_row_bytes_bz2 / 1e12:,.0f}", f"{rows * long_row_bytes_bz2 / 1e12:,.0f}"),
        ("audio read as FLAC, TB", f"{audio_s * FLAC_BYTES * MODELS / 1e12:,.0f}", f"{audio_s * FLAC_BYTES / 1e12:,.0f}"),
    ]
    lines = ["| | every model by itself | shared |", "| --- | ---: | ---: |", *(f"| {a} | {b} | {c} |" for a, b, c in table)]
    return "\n".join(
        [
            *lines,
            "",
            f"The encoder is {encoder / window:.0%} of such a student's work, so that {FAMILIES} families of {MODELS // FAMILIES} cost "
            f"{shared / alone:.0%} of {MODELS} runs.\n"
            f"The {packaged} packaged rows of `{ROWS.path.parent.name}/{ROWS.path.name}` have {row_bytes:,.0f} bytes each, "
            f"{row_bytes_bz2:,.0f} as bz2, for {audio_s_a_row:.1f} s of speech.\n"
            f"One driver process writes {float(f'{1 / ROW_TO_JSON:.2g}'):,.0f} rows a second at most; "
            f"all rows through one would take {rows * ROW_TO_JSON / 3600 / 24 / 365:.1f} years, so the plan needs shards.",
        ]
    )


def encoder_macs(config: dict[str, int]) -> int:
    """Return the multiply-accumulates of an encoder alone, for one window; keys and values of the decoder's layers are not its work."""
    return whisper_macs(WhisperConfig(**(config | {"decoder_layers": 0})), tokens=0)


def figure(number: float) -> str:
    """Return a large number, three digits of it."""
    return f"{number:.2e}".replace("e+", "e")


def hours(seconds: float) -> str:
    """Return seconds as hours, three digits of them."""
    return f"{float(f'{seconds / 3600:.3g}'):,.0f}"


def built(text: str) -> str:
    """Return the document with its arithmetic renewed."""
    blocks = text.split(START)
    assert len(blocks) == 3, "one place for 1,000 hours, one for the plan"
    made = [f"{START}\n{table}\n{END}{block.split(END)[1]}" for table, block in zip((thousand_hours(), plan()), blocks[1:], strict=True)]
    return blocks[0] + "".join(made)


def main() -> None:
    """Write, or with --check compare and exit with 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = DOC.read_text(encoding="utf-8")
    new = built(text)
    if check:
        sys.exit(0 if new == text else "docs/MEASUREMENTS.md: its arithmetic is not what follows; run python tools/build_measurements.py")
    DOC.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
