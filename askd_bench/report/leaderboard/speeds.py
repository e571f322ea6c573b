"""Speed as `askd-bench bench --json` measured it: `speed/<model>.json` in a folder of results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from askd_bench.errors import UserError
from askd_bench.files import Number, read_json

SPEED_FOLDER = "speed"
_Positive = Annotated[Number, Field(gt=0)]


class Card(BaseModel):
    """What was measured, and under what circumstances; see `askd_bench.models.protocol.ModelCard`."""

    weights_sha256: str
    dtype: str
    device: str
    threads: int


class SpeedAt(BaseModel):
    """Speed at one batch size; see `askd_bench.evaluation.timings.Speed`."""

    batch_size: int = Field(ge=1)
    p50_s: _Positive
    p95_s: _Positive
    rtfx: _Positive


class Bench(BaseModel):
    """One model's measurement, its clips and their length in seconds."""

    card: Card
    clips: int
    audio_s: Number
    speeds: tuple[SpeedAt, ...] = Field(min_length=1)


def read_speeds(folder: Path, weights: Mapping[str, str]) -> dict[str, Bench]:
    """Return model -> what was measured, for those of `weights` that have a file.

    Args:
        folder: of results.
        weights: model -> sha256 of the weights that its rows come from.

    Raises:
        UserError: a file is no measurement, is of a model without rows, or of other weights than its rows.
    """
    speeds = {}
    for path in sorted((folder / SPEED_FOLDER).glob("*.json")):
        bench = read_json(path, Bench, argument="results")
        if path.stem not in weights:
            raise UserError(f"results: {path}: there are no rows of a model {path.stem!r}")
        if bench.card.weights_sha256 != weights[path.stem]:
            raise UserError(f"results: {path} was measured on other weights than the rows of {path.stem!r} come from")
        speeds[path.stem] = bench
    return speeds


def rtfx_alone(bench: Bench | None) -> float | None:
    """Return RTFx at batch 1, where the model was measured at that."""
    return next((speed.rtfx for speed in bench.speeds if speed.batch_size == 1), None) if bench else None


def speed_records(speeds: Mapping[str, Bench], teachers: Mapping[str, str | None]) -> list[Mapping[str, Any]]:
    """Return a record a model and batch size, with the ratio to its teacher's RTFx where both were measured alike.

    Alike is on the same clips, device and threads. The type may differ: an export in int8 is quicker for its type too, which stands beside.
    """
    records: list[Mapping[str, Any]] = []
    for name in sorted(speeds):
        bench, teacher = speeds[name], speeds.get(teachers.get(name) or "")
        theirs = (
            {one.batch_size: one.rtfx for one in teacher.speeds} if teacher and _circumstances(teacher) == _circumstances(bench) else {}
        )
        for speed in bench.speeds:
            base = theirs.get(speed.batch_size)
            where = {"dtype": bench.card.dtype, "device": bench.card.device, "threads": str(bench.card.threads), "clips": bench.clips}
            records.append({"model": name, **where, **speed.model_dump(), "times_teacher": speed.rtfx / base if base else None})
    return records


def _circumstances(bench: Bench) -> tuple[int, float, str, int]:
    return bench.clips, bench.audio_s, bench.card.device, bench.card.threads
