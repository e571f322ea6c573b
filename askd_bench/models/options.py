"""How a model is to be run: the options that all adapters share, checked once."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from askd_bench.errors import UserError, unknown_name
from askd_bench.models.audio_context import FULL, read_margin

DTYPES = ("auto", "float32", "bfloat16", "float16")
TASKS = ("transcribe", "translate")


def _silent(message: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a user may ask of a model's runtime; an adapter refuses what its runtime cannot do.

    Attributes:
        dtype: of the computation: "float32", "bfloat16", "float16", or "auto" (see `devices.choose_dtype`).
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": the GPU where there is one.
        threads: of the CPU; None for all cores.
        language: two-letter code; English-only checkpoints allow "en" alone.
        task: "transcribe" or "translate".
        num_beams: 1 is greedy.
        audio_context: of Whisper models: encoder positions beyond the clip's own, "full" for the whole window, or None for what the
            checkpoint says; see `audio_context.AudioContext`.
        trust_remote_code: run code that comes with a checkpoint; a Hub id then needs a pinned revision.
        say: told what "auto" chose and why.

    Raises:
        UserError: one is out of range.
    """

    dtype: str = "auto"
    device: str = "auto"
    threads: int | None = None
    language: str = "en"
    task: str = "transcribe"
    num_beams: int = 1
    audio_context: str | int | None = None
    trust_remote_code: bool = False
    say: Callable[[str], None] = _silent

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise unknown_name("dtype", self.dtype, DTYPES)
        for option, value in (("num_beams", self.num_beams), ("threads", self.threads)):
            if value is not None and value < 1:
                raise UserError(f"{option}: {value} is out of range (allowed: 1 or more)")
        if self.task not in TASKS:
            raise unknown_name("task", self.task, TASKS)
        if self.audio_context not in (None, FULL):
            read_margin(self.audio_context)

    def must_be_default(self, *names: str, model: str) -> None:
        """Refuse options that a kind of model does not take.

        Args:
            names: of the options.
            model: the kind, for the message, e.g. "a CTC model".

        Raises:
            UserError: one of them has another value than its default.
        """
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name in names and value != option.default:
                raise UserError(f"{option.name}: {value!r} cannot be set for {model} (allowed: {option.default!r})")
