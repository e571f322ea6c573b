"""Any audiomentations transform as a perturbation: `perturbation = "audiomentations.PitchShift"` with its parameters.

audiomentations draws from the global `random` and `np.random`. Both are seeded inside the call from the utterance's own generator and put
back afterwards, so that a transform is a pure function again and nothing else notices. Whether that suffices is tried, not believed: when
a suite is validated the transform is applied to a test signal, then to another, then to the first again; what differs is refused.
"""

import inspect
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Self

import numpy as np
from pydantic import Field, JsonValue, model_validator

from askd_bench.errors import AudioError, UserError, unknown_name
from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.types import SAMPLING_RATE, Realised, Samples

PREFIX = "audiomentations."


class AudiomentationsTransform(Perturbation):
    """A transform of audiomentations. It is always applied unless `p` says otherwise. Alignment is what the transform makes of it.

    Realised: the scalars it drew (`Transform.parameters`), e.g. `num_semitones`.

    Attributes:
        transform: a class of audiomentations that takes mono audio, e.g. `PitchShift`.
        parameters: its constructor's arguments.

    Raises:
        UserError: when built: no such transform, parameters it does not take, a file it needs is missing, or it is not deterministic.
    """

    transform: str
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _deterministic(self) -> Self:
        _check(self.transform, self._key())
        return self

    def _key(self) -> str:
        return json.dumps(dict(self.parameters), sort_keys=True)

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the transformed clip.

        Raises:
            AudioError: the transform fails on this clip or returns something that is not finite mono audio.
        """
        transform = _build(self.transform, self._key())
        try:
            perturbed = _seeded(transform, samples, sampling_rate, int(rng.integers(2**32)))
        except Exception as error:  # third-party code: whatever it raises is about this clip
            raise AudioError(f"{PREFIX}{self.transform}: {_one_line(error)}") from error
        if perturbed.ndim != 1 or perturbed.size == 0 or not np.isfinite(perturbed).all():
            raise AudioError(f"{PREFIX}{self.transform}: gave audio that is empty, not mono or not finite")
        return Perturbed(perturbed, _scalars(transform.parameters))


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seed `random` and `np.random` for a while."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 (audiomentations draws from it)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def _seeded(transform: Any, samples: Samples, sampling_rate: int, seed: int) -> Samples:
    with _global_seed(seed):
        return np.array(transform(samples.copy(), sample_rate=sampling_rate), dtype=np.float32)


def _scalars(parameters: Mapping[str, object]) -> Realised:
    drawn = {name: value.item() if isinstance(value, np.generic) else value for name, value in parameters.items() if name != "should_apply"}
    return {name: value for name, value in drawn.items() if isinstance(value, (float, int, str)) and not isinstance(value, bool)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def available() -> list[str]:
    """Return the names of the transforms this version of audiomentations has."""
    import audiomentations
    from audiomentations.core.transforms_interface import BaseWaveformTransform

    return [name for name, kind in vars(audiomentations).items() if inspect.isclass(kind) and issubclass(kind, BaseWaveformTransform)]


@lru_cache(maxsize=64)
def _build(name: str, parameters: str) -> Any:
    if name not in available():
        raise unknown_name("perturbation", PREFIX + name, [PREFIX + known for known in available()])
    import audiomentations

    given = json.loads(parameters)
    kind = getattr(audiomentations, name)
    allowed = inspect.signature(kind).parameters
    for key in given:
        if key not in allowed:
            raise unknown_name(PREFIX + name, key, allowed)
    try:
        return kind(**({"p": 1.0} | given))
    except Exception as error:  # third-party code: each transform raises its own kinds for bad parameters and missing files
        raise UserError(f"{PREFIX}{name}: {_one_line(error)}") from None


@lru_cache(maxsize=64)
def _check(name: str, parameters: str) -> None:
    """Raise a `UserError` unless the transform gives the same samples twice, with another use in between."""
    transform = _build(name, parameters)
    noise = np.random.default_rng(0)
    first, second = ((0.1 * noise.standard_normal(SAMPLING_RATE)).astype(np.float32) for _ in range(2))
    try:
        results = [_seeded(transform, probe, SAMPLING_RATE, seed) for probe, seed in ((first, 1), (second, 2), (first, 1))]
    except Exception as error:  # third-party code, as above
        raise UserError(f"{PREFIX}{name}: fails on a test signal ({_one_line(error)})") from None
    if not np.array_equal(results[0], results[2]):
        raise UserError(f"{PREFIX}{name}: is not deterministic: the same seed and signal gave different audio, so no run could be repeated")
