"""The versions of what may change a row."""

import importlib.metadata
import platform

_RECORDED_PACKAGES = ("askd-bench", "av", "numpy", "scipy", "soundfile", "soxr", "tokenizers", "torch", "transformers")


def versions() -> dict[str, str]:
    """Return what is installed here: name -> version, Python first."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in _RECORDED_PACKAGES}
