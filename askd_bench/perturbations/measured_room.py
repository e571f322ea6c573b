"""Speech in rooms that were measured: a folder of impulse responses."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import AudioError, UserError
from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.perturbations.far_field import at_level_of
from askd_bench.perturbations.impulse_responses import RoomResponse, analyse, find_direct, reverberate
from askd_bench.perturbations.recordings import is_recording
from askd_bench.types import Samples

LONGEST_S = 4.0
"""What of a response comes later than this is not used."""
_SUFFIXES = {".wav", ".flac", ".ogg", ".aiff", ".aif"}


class MeasuredRoom(Perturbation):
    """Play the speech through a measured room impulse response, a random one of a folder.

    Known layouts are understood without a pattern: OpenSLR-28 (RIRS_NOISES, through its `rir_list` files) and BUT ReverbDB (files in
    folders called `RIR`). Otherwise every audio file counts as a response. Of several channels the first is used. Alignment, length and
    level are those of `FarField`.

    Realised: `rt60_s`, `drr_db` (measured on the response, None where it is too short or noisy to tell) and `response_file`.

    Attributes:
        folder: where the responses are.
        pattern: a glob below it, e.g. `**/MicID01/**/*.wav`; None finds the layout.
    """

    folder: Path
    pattern: str | None = None

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the speech in the room.

        Raises:
            UserError: the folder is missing or holds no response.
            AudioError: a response cannot be read.
        """
        paths = find_responses(self.folder, self.pattern)
        path = paths[int(rng.integers(len(paths)))]
        room = read_response(path, sampling_rate)
        wet = at_level_of(samples, reverberate(samples, room), sampling_rate=sampling_rate)
        realised = {"rt60_s": room.rt60_s, "drr_db": room.drr_db, "response_file": path.relative_to(self.folder).as_posix()}
        return Perturbed(wet.astype(np.float32), realised)


@lru_cache(maxsize=8)
def find_responses(folder: Path, pattern: str | None) -> tuple[Path, ...]:
    """Return the impulse responses of a folder, sorted by path.

    Raises:
        UserError: no such folder, or nothing in it fits.
    """
    if not folder.is_dir():
        raise UserError(f"folder: {str(folder)!r} is not a folder")
    if pattern is not None:
        found = [path for path in folder.glob(pattern) if is_recording(path, _SUFFIXES)]
    else:
        audio = [path for path in folder.rglob("*") if is_recording(path, _SUFFIXES)]
        listed = _listed(folder, audio)
        found = listed or [path for path in audio if "RIR" in path.parent.parts] or audio
    if not found:
        wanted = "no impulse response" if pattern is None else f"no impulse response like {pattern!r}"
        raise UserError(f"folder: {wanted} in {str(folder)!r} (allowed: {', '.join(sorted(_SUFFIXES))})")
    return tuple(sorted(found))


def _listed(folder: Path, audio: list[Path]) -> list[Path]:
    """Return the files that OpenSLR-28's lists name; their paths begin at the archive's own top folder, wherever that lies."""
    endings = {
        line.split()[-1] for table in folder.rglob("rir_list") for line in table.read_text(encoding="utf-8").splitlines() if line.strip()
    }
    names = {ending.rsplit("/", 2)[-2] + "/" + ending.rsplit("/", 2)[-1] for ending in endings if ending.count("/") >= 2}
    return [path for path in audio if "/".join(path.parts[-2:]) in names]


@lru_cache(maxsize=256)
def read_response(path: Path, sampling_rate: int) -> RoomResponse:
    """Return a response from its file, resampled, cut to begin 2.5 ms before the direct sound at the earliest, and measured.

    Raises:
        AudioError: unreadable, silent or not finite.
    """
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            channels = file.read(round(2 * LONGEST_S * rate), dtype="float64", always_2d=True)
    except Exception as error:  # a damaged header makes the decoder raise what it likes
        raise AudioError(f"folder: {path.name!r} cannot be read as audio ({error})") from None
    response: NDArray[np.float64] = channels[:, 0]
    if response.size == 0 or not np.isfinite(response).all() or not response.any():
        raise AudioError(f"folder: {path.name!r} is silent or holds values that are not numbers")
    if rate != sampling_rate:
        response = np.asarray(soxr.resample(response, rate, sampling_rate, quality="VHQ"))
    peak = find_direct(response, sampling_rate=sampling_rate)
    start = max(0, peak - round(0.0025 * sampling_rate))
    return analyse(response[start : peak + round(LONGEST_S * sampling_rate)], direct=peak - start, sampling_rate=sampling_rate)
