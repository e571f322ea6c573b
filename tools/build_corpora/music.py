"""Five tracks of Asterisk's music on hold, 30 s of each, as noise."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import soundfile

from build_corpora.packages import MUSIC, unpacked

START_S, LENGTH_S = 20.0, 30.0
ARTISTS = {
    "macroform-cold_day": "Paul Shuler (Macroform)",
    "macroform-robot_dity": "Paul Shuler (Macroform)",
    "macroform-the_simplicity": "Paul Shuler (Macroform)",
    "manolo_camp-morning_coffee": "Manolo Camp",
    "reno_project-system": "Reno Project",
}


def music(folder: Path) -> list[dict[str, object]]:
    """Write the excerpts into `folder` as FLAC (16 bit, as in the source) and return their rows."""
    rows: list[dict[str, object]] = []
    for name, artist in ARTISTS.items():
        with soundfile.SoundFile(next(unpacked(MUSIC).rglob(f"{name}.wav"))) as track:
            rate = track.samplerate
            track.seek(int(START_S * rate))
            samples = track.read(int(LENGTH_S * rate), dtype="int16")
        buffer = BytesIO()
        soundfile.write(buffer, samples, rate, format="FLAC", subtype="PCM_16")
        path = f"audio/{name}.flac"
        (folder / path).write_bytes(buffer.getvalue())
        rows.append(
            {
                "id": name,
                "audio_filepath": path,
                "duration": round(len(samples) / rate, 3),
                "sampling_rate": rate,
                "artist": artist,
                "source": f"{MUSIC.name} {MUSIC.version}: {name}.wav, {START_S:.0f}-{START_S + LENGTH_S:.0f} s",
                "licence": "CC-BY-SA-3.0",
                "pcm_sha256": sha256(samples.astype("<i2").tobytes()).hexdigest(),
                "audio_sha256": sha256(buffer.getvalue()).hexdigest(),
            }
        )
    return rows
