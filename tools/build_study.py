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
SHORT = {
    "short": (["whisper-base-short-context-s0", "whisper-base-short-kd-s0", "whisper-base-short-kd2-s0"], "whisper-base-short-s0"),
    "short-tiny": (["whisper-tiny.en-short-context-s0", "whisper-tiny.en-short-kd-s0"], "whisper-tiny.en-short-s0"),
}
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


def average_table(model: str) -> str:
    """Return the shares of the starting weights that were tried, and what each came to on dev."""
    record = json.loads((RESULTS / "training" / model / "average.json").read_text())
    rows = [
        [
            f"{one['share']:g}" + (" (kept)" if one["share"] == record["kept"] else ""),
            f"{100 * one['dev']['wer']:.1f}",
            f"{one['dev']['cross_entropy']:.3f}",
        ]
        for one in record["tried"]
    ]
    return markdown(["share of the first step's weights", "perturbed dev WER %", "dev cross-entropy, nats"], rows)


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


def turns_table(folder: Path, models: list[str]) -> str:
    """Return what one `askd-bench bench --output FOLDER` measured of models in turns, each beside those before it."""
    found = [Bench.model_validate_json((folder / f"{model}.json").read_bytes()) for model in models]
    alike = {(bench.clips, bench.audio_s, bench.card.device, bench.card.threads) for bench in found}
    if len(alike) != 1:
        sys.exit(f"speed: {', '.join(models)} were not measured in one run (askd-bench bench --model ... --model ... --output FOLDER)")
    rows = [
        [
            model,
            bench.card.dtype,
            str(speed.batch_size),
            f"{speed.p50_s:.3f}",
            f"{speed.p95_s:.3f}",
            f"{speed.rtfx:.1f}",
            *(f"{speed.rtfx / other.speeds[at].rtfx:.2f}" if other is not bench else "1" for other in found[:-1]),
        ]
        for at in range(len(found[0].speeds))
        for model, bench in zip(models, found, strict=True)
        for speed in [bench.speeds[at]]
    ]
    times = [f"times {model}" for model in models[:-1]]
    table = markdown(["model", "type", "batch", "p50 of a batch, s", "p95, s", "RTFx", *times], rows)
    [(clips, audio_s, device, threads)] = alike
    cores = f"{threads} thread{'s' if threads > 1 else ''}"
    return f"{device}, {cores}; {clips} clips, {audio_s:.0f} s of speech; in turns, batch by batch:\n\n{table}"


def exports_text() -> str:
    """Return what is found of the exports."""
    return f"{speed_table(load_study_plan(RESULTS / 'study-exports.toml'))}\n\n{beside_text('exports')}"


def short_text(name: str, trainings: list[str], averaged: str) -> str:
    """Return what is found of a student that encodes only the speech."""
    teacher = load_study_plan(RESULTS / f"study-{name}.toml").teacher
    models = [teacher, f"{teacher}-int8", f"{averaged}-int8"]
    speeds = "\n\n".join(turns_table(RESULTS / SPEED_FOLDER / f"{name}{how}", models) for how in ("", "-1-thread"))
    return f"{speeds}\n\n{beside_text(name)}\n\n{curve_table(trainings)}\n\n{average_table(averaged)}"


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
    chapters = {"findings": text, "further suites": beside_text("further"), "exports": exports_text()}
    chapters |= {f"{name} context": short_text(name, *trained) for name, trained in SHORT.items()}
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
