"""Recorded noise: bundled excerpts and the user's own folders, a random excerpt of a random file, looped where the file is too short."""

import csv
import json
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from askd_bench.errors import AudioError, UserError
from askd_bench.paths import NOISE_DIR

CROSS_FADE_S = 0.05
"""Ends and beginnings overlap by this much where a recording is looped."""
_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif"}
_ATTEMPTS = 20

Noise = NDArray[np.float64]


@lru_cache(maxsize=8)
def bundled(kind: str) -> tuple[Path, ...]:
    """Return the bundled recordings of a kind, e.g. `music`, in the order of their manifest.

    Raises:
        UserError: this installation carries none.
    """
    manifest = NOISE_DIR / kind / "manifest.jsonl"
    if not manifest.is_file():
        raise UserError(f"noise: {kind!r} recordings are not part of this installation")
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    return tuple(manifest.parent / row["audio_filepath"] for row in rows)


def is_recording(path: Path, suffixes: Iterable[str]) -> bool:
    """Return whether a file's name says that it is audio; macOS puts a `._` file, which is none, beside each file on a foreign disk."""
    return path.suffix.lower() in suffixes and not path.name.startswith("._")


def check_readable(paths: Iterable[Path], argument: str) -> None:
    """Read the headers of recordings, so that a damaged one is named before a run and not in its rows.

    Raises:
        UserError: one cannot be read, or is empty; it is named, after `argument`.
    """
    import soundfile

    for path in paths:
        try:
            usable = soundfile.info(path).frames > 0
        except Exception as error:  # whatever a damaged header makes the decoder raise
            raise UserError(f"{argument}: {str(path)!r} cannot be read as audio ({error}); mend it or take it away") from None
        if not usable:
            raise UserError(f"{argument}: {str(path)!r} is empty; take it away")


def _esc50_labels(root: Path) -> dict[str, str]:
    table = root / "meta" / "esc50.csv"
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        return {row["filename"]: row["category"] for row in csv.DictReader(file)}


@lru_cache(maxsize=8)
def in_folder(root: Path | None, category: str | None) -> tuple[Path, ...]:
    """Return the recordings of a user's noise folder, sorted by path.

    A category is a glob on the file's path inside the folder (`noise/*` of MUSAN), on the name of any folder above it (`DKITCHEN` of
    DEMAND), or on its label in ESC-50's `meta/esc50.csv` (`rain`). Without one, all is noise but MUSAN's `speech` folder. Of DEMAND's
    sixteen microphones only `ch01` is taken: the others are the same moment again.

    Raises:
        UserError: no folder was given, or nothing in it fits.
    """
    if root is None:
        raise UserError("noise_dir: none given; noise 'folder' needs a folder of recordings (MUSAN, ESC-50, DEMAND or any audio files)")
    if not root.is_dir():
        raise UserError(f"noise_dir: {str(root)!r} is not a folder")
    labels = _esc50_labels(root)

    def fits(path: Path) -> bool:
        inside = path.relative_to(root)
        if not is_recording(path, _SUFFIXES) or (path.stem.startswith("ch") and path.stem[2:].isdigit() and path.stem != "ch01"):
            return False
        if category is None:
            return inside.parts[0] != "speech"
        names = [inside.as_posix(), *inside.parts[:-1], labels.get(path.name, "")]
        return any(fnmatch(name, category) for name in names if name)

    found = tuple(sorted(path for path in root.rglob("*") if fits(path)))
    if not found:
        wanted = "no audio file" if category is None else f"no audio file of category {category!r}"
        raise UserError(f"noise_dir: {wanted} in {str(root)!r} (allowed: {', '.join(sorted(_SUFFIXES))})")
    return found


def excerpt(path: Path, num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    """Return `num_samples` of a recording from a random moment on, mixed to mono and resampled; only that part of the file is read.

    A recording that is too short is looped from a random moment, its end cross-faded into its beginning with equal power.

    Raises:
        AudioError: the file cannot be read, is empty or not finite.
    """
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(path) as file:
            rate, frames = file.samplerate, file.frames
            needed = -(-num_samples * rate // sampling_rate) + 1
            start = int(rng.integers(0, max(1, frames - needed + 1))) if frames > needed else 0
            file.seek(start)
            samples = file.read(min(needed, frames), dtype="float64", always_2d=True).mean(axis=1)
    except Exception as error:  # a damaged header makes the decoder raise what it likes
        raise AudioError(f"noise: {path.name!r} cannot be read as audio ({error})") from None
    if samples.size == 0 or not np.isfinite(samples).all():
        raise AudioError(f"noise: {path.name!r} is empty or holds values that are not numbers")
    resampled: Noise = samples if rate == sampling_rate else np.asarray(soxr.resample(samples, rate, sampling_rate, quality="HQ"))
    return resampled[:num_samples] if resampled.size >= num_samples else _looped(resampled, num_samples, sampling_rate, rng)


def _looped(samples: Noise, num_samples: int, sampling_rate: int, rng: np.random.Generator) -> Noise:
    fade = min(round(CROSS_FADE_S * sampling_rate), samples.size // 4)
    ramp = np.sin(np.linspace(0, np.pi / 2, fade + 2)[1:-1])
    period = samples[: samples.size - fade].copy()
    period[:fade] = period[:fade] * ramp + samples[samples.size - fade :] * ramp[::-1]
    return np.resize(np.roll(period, -int(rng.integers(period.size))), num_samples)


def random_excerpt(paths: tuple[Path, ...], num_samples: int, sampling_rate: int, rng: np.random.Generator) -> tuple[Noise, Path]:
    """Return an excerpt of a random recording and which it is; digital silence is passed over.

    Raises:
        AudioError: a file cannot be read, or twenty draws gave only silence.
    """
    for _ in range(_ATTEMPTS):
        path = paths[int(rng.integers(len(paths)))]
        samples = excerpt(path, num_samples, sampling_rate, rng)
        if np.any(np.abs(samples) > 1e-4):
            return samples, path
    raise AudioError(f"noise: {_ATTEMPTS} excerpts in a row were silent")
