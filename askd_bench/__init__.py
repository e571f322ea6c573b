"""Robustness and calibration of distilled speech recognisers.

    import askd_bench

    results = askd_bench.run("noisy", "whisper-tiny.en", limit=8, workers=0)
    results.table()

Each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from askd_bench.api.calls import load_model, render, run
    from askd_bench.api.stored import compare, score
    from askd_bench.api.texts import evaluate
    from askd_bench.errors import FigureWarning, UserError
    from askd_bench.models.protocol import Transcriber
    from askd_bench.options import ModelOptions, RunOptions
    from askd_bench.types import Row, Transcription, Word

    __version__: str

_HOME = {
    "run": "api.calls",
    "evaluate": "api.texts",
    "compare": "api.stored",
    "render": "api.calls",
    "score": "api.stored",
    "load_model": "api.calls",
    "Transcriber": "models.protocol",
    "Transcription": "types",
    "Word": "types",
    "Row": "types",
    "ModelOptions": "options",
    "RunOptions": "options",
    "UserError": "errors",
    "FigureWarning": "errors",
}

__all__ = [
    "FigureWarning",
    "ModelOptions",
    "Row",
    "RunOptions",
    "Transcriber",
    "Transcription",
    "UserError",
    "Word",
    "__version__",
    "compare",
    "evaluate",
    "load_model",
    "render",
    "run",
    "score",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("askd-bench")
    elif name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
