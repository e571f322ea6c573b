"""Writes the findings of docs/STUDY.md, its figures, and the README's verdict: `python tools/build_study.py [--check]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from askd_bench.metrics.bootstrap import RESAMPLES  # noqa: E402
from askd_bench.report.page.drawing import svg  # noqa: E402
from askd_bench.report.study.answers import verdict  # noqa: E402
from askd_bench.report.study.beside import findings_beside  # noqa: E402
from askd_bench.report.study.charts import charts  # noqa: E402
from askd_bench.report.study.measured import Measurements  # noqa: E402
from askd_bench.report.study.page import findings  # noqa: E402
from askd_bench.report.study.plan import load_study_plan  # noqa: E402
from askd_bench.report.study.tables import markdown, verdict_table  # noqa: E402

RESULTS = ROOT / "reference_results"
PAGE = ROOT / "docs" / "STUDY.md"
FIGURES = ROOT / "docs" / "figures"
START, END = "<!-- findings: python tools/build_study.py -->", "<!-- end of findings -->"
FAST_START, FAST_END = "<!-- fast students: python tools/build_study.py -->", "<!-- end of fast students -->"
README = ROOT / "README.md"
README_START, README_END = "<!-- verdict: python tools/build_study.py -->", "<!-- end of verdict -->"


def training_table(models: list[str]) -> str:
    """Return what the students' training logs say: validation after half and all of the steps, and the time it took."""
    rows = []
    for model in models:
        log = RESULTS / "training" / model / "log.json"
        if not log.is_file():
            continue
        content = json.loads(log.read_text())
        checks = [(entry["step"], entry["eval_wer"]) for entry in content["history"] if "eval_wer" in entry and entry["step"]]
        rows.append(
            [model, str(checks[-1][0]), " → ".join(f"{100 * wer:.1f}" for _, wer in checks), f"{content['summary']['seconds']:.0f}"]
        )
    return markdown(["student", "steps", "dev WER %, half way and at the end", "training, s"], rows)


def alignment_table(model: str) -> str:
    """Return how much of the teacher's states an encoder did not explain, as its alignment went on."""
    content = json.loads((RESULTS / "training" / model / "log.json").read_text())
    rows = [
        [str(entry["step"]), *(f"{100 * entry[f'eval_unexplained_{way}']:.1f}" for way in ("clean", "perturbed"))]
        for entry in content["history"]
        if "eval_unexplained_clean" in entry
    ]
    return markdown(["encoder aligned, steps", "unexplained on clean dev speech, % of variance", "on perturbed"], rows)


def speed_table(teacher: str, students: list[str]) -> str:
    """Return what `askd-bench bench --json` measured of the teacher and of those students it was run for, by batch size."""
    files = {model: RESULTS / "speed" / f"{model}.json" for model in (teacher, *sorted(students))}
    measured = {model: json.loads(file.read_text()) for model, file in files.items() if file.is_file()}
    base = measured[teacher]
    for model, bench in measured.items():
        if _circumstances(bench) != _circumstances(base):
            sys.exit(f"speed: {model} and {teacher} were not measured alike; run askd-bench bench --json for both in one way")
    rows = [
        [
            model,
            str(speed["batch_size"]),
            f"{speed['p50_s']:.3f}",
            f"{speed['p95_s']:.3f}",
            f"{speed['rtfx']:.1f}",
            f"{speed['rtfx'] / theirs['rtfx']:.2f}",
        ]
        for model, bench in measured.items()
        for speed, theirs in zip(bench["speeds"], base["speeds"], strict=True)
    ]
    card = base["card"]
    table = markdown(["model", "batch", "p50 of a batch, s", "p95, s", "RTFx", "times the teacher's"], rows)
    where = f"{card['dtype']}, {card['device']}, {card['threads']} threads"
    return f"{where}; {base['clips']} clips, {base['audio_s']:.0f} s of speech:\n\n{table}"


def _circumstances(bench: dict[str, Any]) -> dict[str, Any]:
    kept = {key: bench["card"][key] for key in ("dtype", "device", "threads")} | {key: bench[key] for key in ("clips", "audio_s")}
    return kept | {"batch_sizes": [speed["batch_size"] for speed in bench["speeds"]]}


def fast_text() -> str:
    """Return what is found of the fast students."""
    plan = load_study_plan(RESULTS / "study-fast.toml")
    students = [model for models in plan.arms.values() for model in models]
    measurements = Measurements(plan, RESULTS, resamples=RESAMPLES)
    trained = f"{alignment_table('whisper-base-fast')}\n\n{training_table(students)}"
    return f"{speed_table(plan.teacher, students)}\n\n{findings_beside(measurements)}\n\n{trained}"


def between(page: str, start: str, end: str, text: str) -> str:
    """Return a page with what stands between two marks replaced."""
    before, rest = page.split(start)
    return f"{before}{start}\n\n{text}\n\n{end}{rest.split(end)[1]}"


def main() -> None:
    """Write, or with --check compare and exit with 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    plan = load_study_plan(RESULTS / "study.toml")
    measurements = Measurements(plan, RESULTS, resamples=RESAMPLES)
    drawn = {f"figures/{chart.name}.svg": chart for chart in charts(measurements)}
    students = [model for models in plan.arms.values() for model in models]
    after = f"### Speed\n\n{speed_table(plan.teacher, students)}\n\n### Training\n\n{training_table(students)}"
    text = f"{findings(measurements, drawn)}\n\n{after}"
    summary = f"{verdict(measurements)}\n\n{verdict_table(measurements)}"
    page = between(PAGE.read_text("utf-8"), START, END, text)
    readme = between(README.read_text("utf-8"), README_START, README_END, summary)
    files = {PAGE: between(page, FAST_START, FAST_END, fast_text()).encode(), README: readme.encode()}
    files |= {FIGURES.parent / path: svg(chart) for path, chart in drawn.items()}
    if check:
        stale = [path.name for path, content in files.items() if not path.is_file() or path.read_bytes() != content]
        sys.exit(f"not what the results say: {', '.join(stale)}; run python tools/build_study.py" if stale else 0)
    for path, content in files.items():
        path.write_bytes(content)


if __name__ == "__main__":
    main()
