"""What needs a model or renders speech: `run`, `render`, `load_model`.

Options are keyword arguments, `run(limit=8)`, or an object to keep and change, `run(options=RunOptions(limit=8))`, or both.
"""

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ParamSpec, Protocol, cast

from askd_bench.api.results import Results, RunResult
from askd_bench.arguments import StrPath
from askd_bench.errors import FigureWarning
from askd_bench.evaluation import rendered_audio
from askd_bench.evaluation.progress import Progress
from askd_bench.evaluation.run import run as run_suite
from askd_bench.models.load import Model, load_transcriber
from askd_bench.models.names import DEFAULT_MODEL
from askd_bench.models.protocol import Transcriber
from askd_bench.options import ModelOptions, RunOptions, SpeechOptions, about
from askd_bench.report.failures import failures
from askd_bench.results import Result
from askd_bench.tables.printable import printable

P = ParamSpec("P")


class _Run(Protocol[P]):
    def __call__(
        self,
        suite: StrPath = ...,
        model: Model | Sequence[Model] = ...,
        options: RunOptions | None = ...,
        progress: Progress | None = ...,
        *changed: P.args,
        **changes: P.kwargs,
    ) -> Results: ...


class _Render(Protocol[P]):
    def __call__(
        self,
        suite: StrPath = ...,
        out: StrPath | None = ...,
        options: SpeechOptions | None = ...,
        progress: Progress | None = ...,
        *changed: P.args,
        **changes: P.kwargs,
    ) -> Path: ...


class _Load(Protocol[P]):
    def __call__(self, model: Model = ..., options: ModelOptions | None = ..., *changed: P.args, **changes: P.kwargs) -> Transcriber: ...


def _declared(kind: Any) -> Any:
    """Show the fields of `kind` as keyword arguments of a function, and what they mean, to `help` and notebooks; types are stated below."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        *own, _ = inspect.signature(function).parameters.values()
        options = fields(kind)
        keyed = [inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type) for one in options]
        function.__signature__ = inspect.Signature([*own, *keyed])  # type: ignore[attr-defined]
        meanings = "".join(f"\n    {one.name}: {about(one).help}" for one in options)
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nOptions:{meanings}\n"
        return function

    return declare


def _run(kind: Callable[P, RunOptions]) -> Callable[[Callable[..., Results]], _Run[P]]:
    return cast("Callable[[Callable[..., Results]], _Run[P]]", _declared(kind))


def _render(kind: Callable[P, SpeechOptions]) -> Callable[[Callable[..., Path]], _Render[P]]:
    return cast("Callable[[Callable[..., Path]], _Render[P]]", _declared(kind))


def _load(kind: Callable[P, ModelOptions]) -> Callable[[Callable[..., Transcriber]], _Load[P]]:
    return cast("Callable[[Callable[..., Transcriber]], _Load[P]]", _declared(kind))


@_run(RunOptions)
def run(
    suite: StrPath = "noisy",
    model: Model | Sequence[Model] = DEFAULT_MODEL,
    options: RunOptions | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Results:
    """Score one model, or several, under a suite's conditions.

    A run that was interrupted goes on where it stopped when called again with the same arguments. Worker processes are spawned: in a
    script, call this under `if __name__ == "__main__":`, or with `workers=0`.

    Args:
        suite: a suite's name, or a TOML file.
        model: a name or path as the command line takes it, a `Transcriber`, or a function from samples (float32, shape (num_samples,),
            16 kHz) to text or to a `Transcription`. Several hear each rendering in turn; the rows are those of separate runs.
        options: of the run; those given by name change it.
        progress: told of every step.

    Returns:
        one result for each corpus and model, corpus by corpus.

    Raises:
        UserError: bad input, told in one line, before anything is written.

    Warns:
        FigureWarning: recordings failed, and so are in no figure.
    """
    done = run_suite(suite, model, options, progress=progress, **changes)
    results = Results(RunResult.of(Result(one.path)) for one in done)
    for one in results:
        if one.summary and (failed := failures(Result(one.path))):
            warnings.warn(printable(f"{one.path}: {failed}; they are in no figure"), FigureWarning, stacklevel=2)
    return results


@_render(SpeechOptions)
def render(
    suite: StrPath = "noisy",
    out: StrPath | None = None,
    options: SpeechOptions | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Path:
    """Write the exact audio that a model would hear, as FLAC with a manifest, to score other systems on it.

    A rendering that was interrupted goes on where it stopped when called again with the same arguments.

    Args:
        suite: a suite's name, or a TOML file.
        out: a folder that is new or empty, or holds the beginning of this very rendering.
        options: which speech, under which conditions; those given by name change it.
        progress: told of every step.

    Returns:
        the manifest: JSON lines with the audio's hash and what was realised.

    Raises:
        UserError: bad input, told in one line.
    """
    return rendered_audio.render(suite, out, options, progress=progress, **changes)


@_load(ModelOptions)
def load_model(model: Model = DEFAULT_MODEL, options: ModelOptions | None = None, **changes: Any) -> Transcriber:
    """Load a model to transcribe with: `model.transcribe([model.frontend(samples)])`.

    Args:
        model: as for `run`.
        options: how to run it; those given by name change it.

    Raises:
        UserError: there is no such model, it cannot be loaded, or an option is not for it.
    """
    return load_transcriber(model, options, **changes)
