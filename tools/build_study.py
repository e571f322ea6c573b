"""Writes the findings of docs/STUDY.md, its figures, and the README's verdict: `python tools/build_study.py [--check]`."""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from askd_bench.metrics.bootstrap import RESAMPLES  # noqa: E402
from askd_bench.report.leaderboard.speeds import SPEED_FOLDER, Bench, speed_records  # noqa: E402
from askd_bench.report.page.drawing import svg  # noqa: E402
from study.answers import verdict  # noqa: E402
from study.charts import charts  # noqa: E402
from study.findings import findings, findings_beside  # noqa: E402
from study.measurements import Measurements  # noqa: E402
from study.plan import StudyPlan, load_study_plan  # noqa: E402
from study.tables import markdown, verdict_table  # noqa: E402

RESULTS = ROOT / "reference_results"
PAGE = ROOT / "docs" / "STUDY.md"
FIGURES = ROOT / "docs" / "figures"
ENCODERS = ["whisper-base-fast", "whisper-base-e5d3"]
SHORT = ["whisper-base-short-context-s0", "whisper-base-short-kd-s0"]
README = ROOT / "README.md"


def training_table(models: list[str]) -> str:
    """Return what the students' training logs say: validation after half and all of the steps, and the time it took."""
    rows = []
    for model in models:
        log = RESULTS / "training" / model.removesuffix("-int8") / "log.json"
        if not log.is_file():
            continue
        content = json.loads(log.read_text())
        checks = [(entry["step"], entry["eval_wer"]) for entry in content["history"] if "eval_wer" in entry and entry["step"]]
        rows.append(
            [model, str(checks[-1][0]), " → ".join(f"{100 * wer:.1f}" for _, wer in checks), f"{content['summary']['seconds']:.0f}"]
        )
    return markdown(["student", "steps", "dev WER %, half way and at the end", "training, s"], rows)


def curve_table(models: list[str]) -> str:
    """Return every validation of the students' training logs, the one before the first step included."""
    rows = [
        [model, str(entry["step"]), f"{100 * entry['eval_wer']:.1f}", f"{entry['eval_cross_entropy']:.2f}"]
        for model in models
        for entry in json.loads((RESULTS / "training" / model / "log.json").read_text())["history"]
        if "eval_wer" in entry
    ]
    return markdown(["training", "after steps", "dev WER %", "dev cross-entropy, nats"], rows)


def alignment_table(encoders: list[str]) -> str:
    """Return how much of the teacher's states each encoder did not explain, as its alignment went on."""
    rows = [
        [encoder, str(entry["step"]), *(f"{100 * entry[f'eval_unexplained_{way}']:.1f}" for way in ("clean", "perturbed"))]
        for encoder in encoders
        for entry in json.loads((RESULTS / "training" / encoder / "log.json").read_text())["history"]
        if "eval_unexplained_clean" in entry
    ]
    return markdown(["encoder aligned", "steps", "unexplained on clean dev speech, % of variance", "on perturbed"], rows)


def speed_table(plan: StudyPlan) -> str:
    """Return what `askd-bench bench --json` measured of the plan's teacher and of those models of its arms that it was run for."""
    compared = [model for models in plan.arms.values() for model in models]
    files = {model: RESULTS / SPEED_FOLDER / f"{model}.json" for model in (plan.teacher, *sorted(compared))}
    speeds = {model: Bench.model_validate_json(file.read_bytes()) for model, file in files.items() if file.is_file()}
    records = speed_records(speeds, dict.fromkeys(compared, plan.teacher))
    for record in records:
        if record["times_teacher"] is None and record["model"] != plan.teacher:
            sys.exit(f"speed: {record['model']} and {plan.teacher} were not measured alike (askd-bench bench --json)")
    rows = [
        [
            record["model"],
            record["dtype"],
            str(record["batch_size"]),
            f"{record['p50_s']:.3f}",
            f"{record['p95_s']:.3f}",
            f"{record['rtfx']:.1f}",
            f"{record['times_teacher'] or 1:.2f}",
        ]
        for record in records
    ]
    base = speeds[plan.teacher]
    table = markdown(["model", "type", "batch", "p50 of a batch, s", "p95, s", "RTFx", "times the teacher's"], rows)
    return f"{base.card.device}, {base.card.threads} threads; {base.clips} clips, {base.audio_s:.0f} s of speech:\n\n{table}"


def exports_text() -> str:
    """Return what is found of the exports."""
    return f"{speed_table(load_study_plan(RESULTS / 'study-exports.toml'))}\n\n{beside_text('exports')}"


def fast_text() -> str:
    """Return what is found of the fast students."""
    plan = load_study_plan(RESULTS / "study-fast.toml")
    students = [model for models in plan.arms.values() for model in models]
    return f"{speed_table(plan)}\n\n{beside_text('fast')}\n\n{alignment_table(ENCODERS)}\n\n{training_table(students)}"


def beside_text(name: str) -> str:
    """Return what is found by the plan study-<name>.toml, which carries no verdict."""
    return findings_beside(Measurements(load_study_plan(RESULTS / f"study-{name}.toml"), RESULTS, resamples=RESAMPLES))


def between(page: str, chapter: str, text: str) -> str:
    """Return a page with what stands between a chapter's two marks replaced."""
    start, end = f"<!-- {chapter}: python tools/build_study.py -->", f"<!-- end of {chapter} -->"
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
    after = f"### Speed\n\n{speed_table(plan)}\n\n### Training\n\n{training_table(students)}"
    text = f"{findings(measurements, drawn)}\n\n{after}"
    summary = f"{verdict(measurements)}\n\n{verdict_table(measurements)}"
    chapters = {"findings": text, "further suites": beside_text("further"), "exports": exports_text(), "fast students": fast_text()}
    chapters["short context"] = curve_table(SHORT)
    page = PAGE.read_text("utf-8")
    for chapter, found in chapters.items():
        page = between(page, chapter, found)
    readme = between(README.read_text("utf-8"), "verdict", summary)
    files = {PAGE: page.encode(), README: readme.encode()}
    files |= {FIGURES.parent / path: svg(chart) for path, chart in drawn.items()}
    if check:
        stale = [path.name for path, content in files.items() if not path.is_file() or path.read_bytes() != content]
        sys.exit(f"not what the results say: {', '.join(stale)}; run python tools/build_study.py" if stale else 0)
    for path, content in files.items():
        path.write_bytes(content)


if __name__ == "__main__":
    main()
