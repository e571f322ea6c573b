"""The names a suite file can call perturbations by."""

from collections.abc import Mapping

from pydantic import ValidationError

from askd_bench.errors import UserError, unknown_name
from askd_bench.perturbations.additive_noise import AdditiveNoise
from askd_bench.perturbations.base import Perturbation

PERTURBATIONS: Mapping[str, type[Perturbation]] = {
    "additive_noise": AdditiveNoise,
}


def build_perturbation(name: str, parameters: Mapping[str, object]) -> Perturbation:
    """Return the validated perturbation.

    >>> build_perturbation("additive_noise", {"noise": "pink", "snr_db": 10})
    AdditiveNoise(noise='pink', snr_db=10.0, level_dbfs=None, talkers=None, mains_hz=50, category=None)

    Args:
        name: a key of `PERTURBATIONS`.
        parameters: its fields.

    Raises:
        UserError: unknown name or field, or a value that is not allowed, with what is.
    """
    if name not in PERTURBATIONS:
        raise unknown_name("perturbation", name, PERTURBATIONS)
    kind = PERTURBATIONS[name]
    try:
        return kind.model_validate(dict(parameters))
    except ValidationError as error:
        raise UserError(_first_problem(name, kind, error)) from None


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
