"""How much of the encoder an utterance needs: its own positions and a margin, instead of all that the window has.

Whisper pads two seconds of speech to thirty: 1,500 encoder positions where 100 would do. An encoder may run on fewer of them without a
change of its weights; most checkpoints then lose their sense of where speech ends and loop, until a short training repairs it.

Sources: whisper.cpp's `audio_ctx`; FUTO's whisper-acft (https://github.com/futo-org/whisper-acft), which trains for it; CTranslate2, which
takes short inputs (https://github.com/OpenNMT/CTranslate2/issues/1446). Theirs is one number; ours is a rule of the clip's length.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from askd_bench.errors import UserError
from askd_bench.options import FULL
from askd_bench.types import SAMPLING_RATE

SAMPLES_PER_POSITION = SAMPLING_RATE // 50
"""An encoder position is 20 ms: 160 samples a frame, halved by the second convolution."""

CONFIG_FIELD = "audio_context"
"""Where a checkpoint's `config.json` keeps it, as a table with the three fields; transformers keeps the field and does not mind it."""


@dataclass(frozen=True, slots=True)
class AudioContext:
    """Encoder positions as a function of a clip's length: `min(all, max(floor, ceil(50·s) + margin))`.

    Attributes:
        margin: positions beyond the end of the clip, in which the model sees that speech has ended; at least 0.
        floor: the fewest positions, however short the clip.
        rows: which rows of the position embedding are used, the "first" or the "last" of them.

    Raises:
        UserError: a value out of range.

    >>> AudioContext(margin=64).positions(2 * SAMPLING_RATE, 1500)
    164
    >>> AudioContext(margin=64, floor=200).positions(1, 1500), AudioContext(margin=64).positions(30 * SAMPLING_RATE, 1500)
    (200, 1500)
    """

    margin: int
    floor: int = 0
    rows: Literal["first", "last"] = "first"

    def __post_init__(self) -> None:
        for name, value in (("margin", self.margin), ("floor", self.floor)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise UserError(f"audio_context: {name} {value!r} is out of range (allowed: a whole number, 0 or more)")
        if self.rows not in ("first", "last"):
            raise UserError(f"audio_context: rows {self.rows!r} is unknown (allowed: 'first', 'last')")

    def positions(self, num_samples: int, all_positions: int) -> int:
        """Return how many encoder positions a clip gets.

        Args:
            num_samples: of the clip, at 16 kHz.
            all_positions: of the model's window (1,500 for OpenAI's checkpoints).
        """
        return min(all_positions, max(self.floor, -(-num_samples // SAMPLES_PER_POSITION) + self.margin))

    def __str__(self) -> str:
        """Return it as signatures and captions say it, e.g. "margin 64" or "margin 64, floor 200, last rows"."""
        floor = f", floor {self.floor}" if self.floor else ""
        return f"margin {self.margin}{floor}{', last rows' if self.rows == 'last' else ''}"

    def to_config(self) -> dict[str, Any]:
        """Return the table that `config.json` keeps."""
        return asdict(self)


def from_config(config: Any) -> AudioContext | None:
    """Return the audio context that a checkpoint's configuration asks for, or None for the whole window.

    Raises:
        UserError: the field is there and is not such a table, or its floor is above the window.
    """
    stored = getattr(config, CONFIG_FIELD, None)
    if stored is None:
        return None
    if not isinstance(stored, Mapping) or not set(stored) <= {"margin", "floor", "rows"} or "margin" not in stored:
        raise UserError(f"model: {CONFIG_FIELD} in its config.json is {stored!r} (allowed: a table of margin, floor and rows)")
    context = AudioContext(**stored)
    if context.floor > config.max_source_positions:
        raise UserError(f"audio_context: floor {context.floor} is above the window (allowed: 0 to {config.max_source_positions})")
    return context


def choose_context(asked: str | int | None, config: Any) -> AudioContext | None:
    """Return the audio context that a Whisper model is to run on, or None for the whole window.

    Args:
        asked: the option: a margin, "full", or None for what the checkpoint says. A margin leaves the checkpoint's floor and rows.
        config: the checkpoint's configuration.

    Raises:
        UserError: a value out of range, or a field that is no audio context.
    """
    if asked == FULL:
        return None
    stored = from_config(config)
    if asked is None:
        return stored
    return replace(stored or AudioContext(margin=0), margin=int(asked))
