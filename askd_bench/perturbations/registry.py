"""The names a suite file can call perturbations by.

Reading a suite imports all of these, so they load what is slow when they are first applied: codecs inside functions, the parts of scipy
by its own lazy loading (`import scipy`, never `from scipy import signal`).
"""

from collections.abc import Mapping

from pydantic import ValidationError

from askd_bench.errors import UserError, unknown_name
from askd_bench.perturbations.additive_noise import AdditiveNoise
from askd_bench.perturbations.audiomentations_adapter import PREFIX, AudiomentationsTransform
from askd_bench.perturbations.base import Perturbation
from askd_bench.perturbations.distortion import BitDepth, Gain, Mp3, Resample
from askd_bench.perturbations.far_field import FarField
from askd_bench.perturbations.filters import Bass, HighPass, LowPass, Treble
from askd_bench.perturbations.line_tones import AddedLineTone
from askd_bench.perturbations.measured_room import MeasuredRoom
from askd_bench.perturbations.modulation import Chorus, Echo, Phaser, Tremolo
from askd_bench.perturbations.packet_loss import PacketLoss
from askd_bench.perturbations.telephony import Telephony
from askd_bench.perturbations.time_scale import Pitch, Speed, Tempo
from askd_bench.plugins import plugins

PERTURBATIONS: Mapping[str, type[Perturbation]] = {
    "additive_noise": AdditiveNoise,
    "bass": Bass,
    "bit_depth": BitDepth,
    "chorus": Chorus,
    "echo": Echo,
    "far_field": FarField,
    "gain": Gain,
    "high_pass": HighPass,
    "line_tone": AddedLineTone,
    "low_pass": LowPass,
    "measured_room": MeasuredRoom,
    "mp3": Mp3,
    "packet_loss": PacketLoss,
    "phaser": Phaser,
    "pitch": Pitch,
    "resample": Resample,
    "speed": Speed,
    "telephony": Telephony,
    "tempo": Tempo,
    "treble": Treble,
    "tremolo": Tremolo,
}
"""Beside these, `audiomentations.<Transform>` names any transform of audiomentations."""


def build_perturbation(name: str, parameters: Mapping[str, object]) -> Perturbation:
    """Return the validated perturbation.

    >>> build_perturbation("additive_noise", {"noise": "pink", "snr_db": 10})
    AdditiveNoise(noise='pink', snr_db=10.0, snr_of='active-speech', level_dbfs=None, talkers=None, mains_hz=50, category=None)

    Args:
        name: a key of `PERTURBATIONS`, `audiomentations.` and a transform's name, or what an installed package calls its own.
        parameters: its fields.

    Raises:
        UserError: unknown name or field, or a value that is not allowed, with what is.
    """
    kind: type[Perturbation]
    values: dict[str, object]
    if name.startswith(PREFIX):
        kind, values = AudiomentationsTransform, {"transform": name.removeprefix(PREFIX), "parameters": dict(parameters)}
    elif name in PERTURBATIONS:
        kind, values = PERTURBATIONS[name], dict(parameters)
    elif name in (others := plugins("perturbations")):
        kind, values = others[name].load_as(_is_perturbation, "a class on askd_bench.perturbations.base.Perturbation"), dict(parameters)
    else:
        raise unknown_name("perturbation", name, [*PERTURBATIONS, *others])
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UserError(_first_problem(name, kind, error)) from None


def _is_perturbation(loaded: object) -> bool:
    return isinstance(loaded, type) and issubclass(loaded, Perturbation)


def _first_problem(name: str, kind: type[Perturbation], error: ValidationError) -> str:
    """Return the first problem as one line: where, the value, what is allowed."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return str(unknown_name(name, where, kind.model_fields))
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not where:
        return f"{name}: {message}"
    if problem["type"] == "missing":
        return f"{name}.{where}: is missing"
    return f"{name}.{where}: {problem['input']!r} is not allowed: {message}"
