"""Names of the bundled checkpoints, found without importing torch."""

from pathlib import Path

from askd_bench.paths import CHECKPOINTS_DIR

DEFAULT_MODEL = "whisper-tiny.en"


def bundled_models() -> dict[str, Path]:
    """Return name -> folder of every checkpoint in the data root."""
    return {folder.name: folder for folder in sorted(CHECKPOINTS_DIR.glob("*")) if (folder / "config.json").is_file()}
