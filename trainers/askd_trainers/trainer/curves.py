"""Training curves as a picture: loss, its terms and validation WER over steps."""

import io
from pathlib import Path
from typing import Any

from askd_bench.files import write_whole

_TRAINING = ("cross_entropy", "teacher_kl", "self_kl")
_VALIDATION = ("eval_cross_entropy", "eval_train_cross_entropy", "eval_teacher_kl")


def _label(name: str) -> str:
    if name == "eval_train_cross_entropy":
        return "training cross entropy, clean, no dropout"
    return name.replace("eval_", "validation ").replace("_", " ")


def plot_curves(history: list[dict[str, Any]], path: Path, *, title: str) -> None:
    """Write a PNG of a trainer's log history: losses on the left, validation WER on the right."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        losses, errors = figure.subplots(1, 2)
        for names, style in ((_TRAINING, "-"), (_VALIDATION, "o--")):
            for name in names:
                points = [(entry["step"], entry[name]) for entry in history if name in entry]
                if points:
                    losses.plot(*zip(*points, strict=True), style, label=_label(name), markersize=3)
        losses.set(xlabel="step", ylabel="nats a position", title=title, yscale="log")
        if losses.lines:
            losses.legend(frameon=False)
        points = [(entry["step"], 100 * entry["eval_wer"]) for entry in history if "eval_wer" in entry]
        if points:
            errors.plot(*zip(*points, strict=True), "o-", color="tab:red", markersize=3)
        errors.set(xlabel="step", ylabel="validation WER, %", title="greedy decoding", ylim=(0, None))
        picture = io.BytesIO()
        figure.savefig(picture, dpi=110, format="png")
    write_whole(path, picture.getvalue())
