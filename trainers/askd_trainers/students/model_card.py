"""The model card of a student: what it is made from, with the `model-index` metadata that the Hub reads."""

import json
from pathlib import Path
from typing import Any

from askd_trainers.recipe import Recipe

_RECONSTRUCTION = (
    "The paper (arXiv 2601.19919) says that ASKD \"systematically decays the dependency on the teacher's distribution as training "
    'progresses" and "subsequently employs a self-knowledge distillation phase to act as a structural regularizer"; it gives no equations. '
    "This student was trained with askd-bench's reconstruction of those words, not with the authors' code."
)


_SHARED = (
    "Where the folder holds `decoder-layers.safetensors`, the rest of the weights are the teacher's, and the index points to its folder: "
    "keep both where they are, or make a folder that stands alone with `askd-train export`."
)


def model_card(name: str, recipe: Recipe, data: dict[str, Any], history: list[dict[str, Any]], environment: dict[str, Any]) -> str:
    """Return the card as Markdown with YAML metadata (written as JSON, which is YAML).

    Args:
        name: of the model.
        recipe: as resolved.
        data: the record of the training data.
        history: entries of the log; those that hold `step` and `eval_wer` are shown, the first of them is the initialisation.
        environment: package versions, device and precision.
    """
    curve = [entry for entry in history if "eval_wer" in entry]
    metadata: dict[str, Any] = {
        "language": [recipe.data.language or "en"],
        **({"license": "mit"} if recipe.start == "whisper-tiny.en" else {}),
        "library_name": "transformers",
        "pipeline_tag": "automatic-speech-recognition",
        "base_model": "openai/whisper-tiny.en" if recipe.start == "whisper-tiny.en" else recipe.start,
        "tags": ["distillation", "askd-bench", recipe.arm],
    }
    if curve:
        metadata["model-index"] = [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "automatic-speech-recognition", "name": "Speech recognition"},
                        "dataset": {"type": "askd-bench", "name": _validation_name(recipe)},
                        "metrics": [
                            {"type": "wer", "name": "WER, %, greedy, whisper-english", "value": round(100 * curve[-1]["eval_wer"], 2)}
                        ],
                    }
                ],
            }
        ]
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in metadata.items())
    objective = recipe.objective
    lines = [
        "---",
        front,
        "---",
        "",
        f"# {name}",
        "",
        f"{_lineage(recipe)} by the `{recipe.arm}` recipe of askd-bench "
        f"({recipe.optimisation.steps} steps of {recipe.optimisation.batch_size} utterances, seed {recipe.seed}, "
        f"{environment['precision']}).",
        "",
    ]
    if objective.self_teacher is not None:
        lines += [_RECONSTRUCTION, ""]
    if curve:
        lines += ["| step | validation WER, % |", "| ---: | ---: |"]
        lines += [f"| {entry['step']} | {100 * entry['eval_wer']:.2f} |" for entry in curve]
        lines += ["", f"Step 0 is the initialisation. {_validation_set(recipe)}", ""]
    lines += [
        "## Data",
        "",
        f"{', '.join(f'`{corpus}`' for corpus in recipe.data.train)}: {data['utterances']} utterances, {data['hours']} h, "
        f"speakers: {', '.join(data['speakers']) or 'unknown'}{_perturbed(recipe, data)}. "
        f"sha256 of audio, perturbation and labels: `{data['sha256']}`.",
        "",
        "The licence of the training speech is to be looked up beside it; that of the corpus which askd-bench's "
        "`tools/build_corpora training` builds is the freeware licence of the game Flight of the Amazon Queen (docs/CORPORA.md there).",
        "",
        "## Recipe",
        "",
        "```json",
        json.dumps(recipe.model_dump(mode="json"), indent=1),
        "```",
        "",
        "Packages: " + ", ".join(f"{name} {number}" for name, number in environment["packages"].items()) + ".",
        "",
        *([_SHARED, ""] if recipe.runtime.shared_weights else []),
    ]
    return "\n".join(lines)


def _lineage(recipe: Recipe) -> str:
    """Return what the student is made from, and who taught it."""
    if recipe.student.checkpoint is None:
        return f"A student of `{recipe.teacher}`, trained"
    if recipe.objective.teacher is None:
        return f"`{recipe.student.checkpoint}`, trained further"
    return f"`{recipe.student.checkpoint}`, trained further with `{recipe.teacher}` as its teacher"


def _perturbed(recipe: Recipe, data: dict[str, Any]) -> str:
    if recipe.data.suite is None:
        return ""
    return f"; {data['examples']} examples with the copies perturbed under conditions of the suite `{recipe.data.suite}`"


def _validation_set(recipe: Recipe) -> str:
    """Return what the curve was measured on, and what it may be taken for."""
    if recipe.data.validation_split == "dev":
        return "The validation set is a development set: test figures come from `askd-bench run`."
    part = f"the split `{recipe.data.validation_split}`" if recipe.data.validation_split else "all"
    return f"The validation set is {part} of `{recipe.data.validation}`: the curve is no test figure; those come from `askd-bench run`."


def _validation_name(recipe: Recipe) -> str:
    name = Path(recipe.data.validation or "").stem
    return f"{name} ({recipe.data.validation_split})" if recipe.data.validation_split else name
