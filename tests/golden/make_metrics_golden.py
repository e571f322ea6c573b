"""Write metrics_summary.json and metrics_comparison.json: run it when a definition changes on purpose, and say so in the commit."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "metrics"))

from simulated import simulate  # noqa: E402

from askd_bench.metrics.comparison import compare  # noqa: E402
from askd_bench.metrics.summary import summarise  # noqa: E402

TEXTS = [
    "Please enter your agent number followed by the pound key.",
    "He can't pay twenty-five dollars... not today!",
    "We were in love, once, in the colour of the evening.",
    "You've reached the end of the line; press one or two.",
    "That was me lunch!",
] * 12
CONDITIONS = (("clean", 0.06), ("noise-5", 0.2), ("noise-0", 0.4))


def golden() -> dict[str, dict]:
    rows = [list(simulate(TEXTS, CONDITIONS, seed=seed)) for seed in (1, 2, 3)]
    return {"metrics_summary.json": summarise(rows[0], resamples=200), "metrics_comparison.json": compare(*rows, resamples=200).as_dict()}


if __name__ == "__main__":
    for name, value in golden().items():
        (HERE / name).write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
