"""Every command as a function: those of `askd_bench` itself, whose results show themselves, and the others.

    from askd_bench.api import report

    report("results/whisper-tiny.en/noisy-v1/books", out="report.html")

Each is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from askd_bench.api.calls import load_model, render, run
    from askd_bench.api.reading import groups, leaderboard, list_, validate
    from askd_bench.api.stored import compare, score
    from askd_bench.api.texts import evaluate
    from askd_bench.evaluation.merge import merge
    from askd_bench.evaluation.speed import bench
    from askd_bench.evaluation.verify import verify
    from askd_bench.report.export import export
    from askd_bench.report.page.build import report

_HOME = {
    "bench": "evaluation.speed",
    "compare": "api.stored",
    "evaluate": "api.texts",
    "export": "report.export",
    "groups": "api.reading",
    "leaderboard": "api.reading",
    "list_": "api.reading",
    "load_model": "api.calls",
    "merge": "evaluation.merge",
    "render": "api.calls",
    "report": "report.page.build",
    "run": "api.calls",
    "score": "api.stored",
    "validate": "api.reading",
    "verify": "evaluation.verify",
}

__all__ = [
    "bench",
    "compare",
    "evaluate",
    "export",
    "groups",
    "leaderboard",
    "list_",
    "load_model",
    "merge",
    "render",
    "report",
    "run",
    "score",
    "validate",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"askd_bench.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
