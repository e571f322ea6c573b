"""Names of the bundled checkpoints, found without importing torch."""

from pathlib import Path

from askd_bench.paths import CHECKPOINTS_DIR

DEFAULT_MODEL = "whisper-tiny.en"


def bundled_models() -> dict[str, Path]:
    """Return name -> folder of every checkpoint in the data root."""
    return {folder.name: folder for folder in sorted(CHECKPOINTS_DIR.glob("*")) if (folder / "config.json").is_file()}


def is_ctranslate2_export(folder: Path) -> bool:
    """Return whether a folder holds an export for CTranslate2 and no weights that transformers reads."""
    return (folder / "model.bin").is_file() and not any(folder.glob("*.safetensors*"))
