"""Where the packaged data are: inside the wheel when installed, the repository otherwise; never the working directory."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_data"
DATA_ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent

SUITES_DIR = DATA_ROOT / "suites"
CORPORA_DIR = SUITES_DIR / "corpora"
NOISE_DIR = SUITES_DIR / "noise"
REFERENCE_RESULTS_DIR = DATA_ROOT / "reference_results"
CHECKPOINTS_DIR = REFERENCE_RESULTS_DIR / "checkpoints"
