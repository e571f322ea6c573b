"""A function from samples to text, as Python callers have it at hand: `askd_bench.run("noisy", recognise)`.

It is given one clip at a time, float32, shape (num_samples,), in [-1, 1], 16 kHz, and returns its text, a `Transcription`, or a dict as in
`python_callable`. An attribute `name` names its results; otherwise its own name does. `weights_sha256` is the SHA-256 of its source.
"""

import hashlib
import inspect
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from askd_bench.models.external.answers import OPTIONS, UNSTATED, safe_name
from askd_bench.models.external.python_callable import CallableTranscriber
from askd_bench.options import ModelOptions
from askd_bench.signature import ModelCard
from askd_bench.types import Samples, Transcription

Recogniser = Callable[[Samples], str | Transcription]


def of_function(function: Recogniser, options: ModelOptions) -> CallableTranscriber:
    """Return a transcriber that calls a function.

    Raises:
        UserError: options that a function decides alone.
    """
    options.must_be_default(*OPTIONS, model="a function, which decides it alone")
    named: Any = function
    while isinstance(named, partial):
        named = named.func
    if not hasattr(named, "__name__"):  # an object that can be called
        named = type(named)
    given = getattr(function, "name", None)
    name = given if isinstance(given, str) and given.strip() else named.__name__.strip("<>")
    source = _source(named)
    return CallableTranscriber(
        lambda clips, sampling_rate: [function(clip) for clip in clips],
        ModelCard(
            id=safe_name(name),
            source=f"function:{named.__module__}.{named.__qualname__}",
            architecture="python",
            parameters=None,
            weights_bytes=None,
            macs_per_second=None,
            weights_sha256=hashlib.sha256(source.encode()).hexdigest(),
            decoding={"weights": "not verified: weights_sha256 is of the function's source"},
            dtype=UNSTATED,
            device=UNSTATED,
            threads=os.cpu_count() or 1,
        ),
        window_s=None,
        source=Path(inspect.getsourcefile(named) or "unknown") if source else Path("unknown"),
    )


def _source(named: Any) -> str:
    """Return the source of a function or class, or where there is none to be had its compiled code as text."""
    try:
        return inspect.getsource(named)
    except (OSError, TypeError):  # typed at a prompt, or compiled
        code = getattr(named, "__code__", None)
        return named.__qualname__ if code is None else f"{code.co_code!r} {code.co_consts!r} {code.co_names!r}"
