"""Where files are: the packaged data, inside the wheel when installed and in the repository otherwise; and what is kept to be used again.

Neither depends on the working directory.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_data"
DATA_ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent

SUITES_DIR = DATA_ROOT / "suites"
CORPORA_DIR = SUITES_DIR / "corpora"
NOISE_DIR = SUITES_DIR / "noise"
REFERENCE_RESULTS_DIR = DATA_ROOT / "reference_results"
CHECKPOINTS_DIR = REFERENCE_RESULTS_DIR / "checkpoints"


def cache_path(name: str) -> Path:
    """Return where a file or folder that can be made again is kept: `$ASKD_CACHE/<name>`, by default `~/.cache/askd-bench/<name>`.

    The default follows `XDG_CACHE_HOME`. Nothing of the project is kept outside that folder.
    """
    if own := os.environ.get("ASKD_CACHE"):
        return Path(own).expanduser() / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "askd-bench" / name
