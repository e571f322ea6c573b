"""Write sox_effects.npz: what SoX 14.4.2 makes of a test signal, the outside oracle of the distortions that follow SoX.

Run where the `sox` program is installed: `python tests/golden/make_sox_effects.py [SOX]`. The tests need the file only. Of each output
every 23rd sample is kept and the length, which leaves an error nowhere to hide and the file small.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
EVERY = 23
FILE = Path(__file__).with_name("sox_effects.npz")

EFFECTS = {
    "echo-125": "echo 0.8 0.9 125 0.3",
    "phaser-0.3": "phaser 0.6 0.8 3 0.3 2 -t",
    "phaser-0.9": "phaser 0.6 0.8 3 0.9 2 -t",
    "tremolo-66": "tremolo 20 66",
    "chorus-30": "chorus 0.7 0.9 30 0.4 0.25 2 -t 40 0.3 0.4 2 -s",
    "chorus-90": "chorus 0.7 0.9 90 0.4 0.25 2 -t 100 0.3 0.4 2 -s",
    "tempo-1.25": "tempo 1.25 30",
    "tempo-2": "tempo 2 30",
    "tempo-0.5": "tempo 0.5 30",
    "treble-23": "treble 23",
    "treble-50": "treble 50",
    "bass-20": "bass 20",
    "bass-50": "bass 50",
    "low_pass-1666": "sinc 0-1666",
    "high_pass-1333": "sinc 1333",
    "speed-1.5": "speed 1.5 rate -v 16000",
    "speed-0.625": "speed 0.625 rate -v 16000",
}


def probe_signal() -> np.ndarray:
    """Return three seconds of a voiced sound with a moving pitch, syllables and a little noise: float32, peak about 0.35."""
    time = np.arange(3 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) / RATE
    voiced = sum(np.sin(k * phase) / k for k in range(1, 30))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * time)
    return (0.1 * voiced * syllables + 0.002 * np.random.default_rng(1).standard_normal(time.size)).astype(np.float32)


def main() -> None:
    """Run every effect and write the file."""
    sox = sys.argv[1] if len(sys.argv) > 1 else "sox"
    arrays = {}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.wav"), Path(folder, "out.wav")
        soundfile.write(source, probe_signal(), RATE, subtype="FLOAT")
        for name, effect in EFFECTS.items():
            subprocess.run([sox, source, "-e", "floating-point", "-b", "32", target, *effect.split()], check=True)
            output = soundfile.read(target, dtype="float32")[0]
            arrays[name], arrays[f"{name}.length"] = output[::EVERY], np.array(output.size)
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
