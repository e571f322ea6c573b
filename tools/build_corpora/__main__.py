"""Build the bundled speech and music, or the training corpus, from the packages they come from.

python tools/build_corpora bundled [--check]    write suites/corpora and suites/noise/music, or compare them with a fresh build
python tools/build_corpora training [--out DIR] write the training corpus (in the cache unless told otherwise)
python tools/build_corpora hear MANIFEST [--whisper DIR]    what Moonshine, or a Whisper checkpoint, hears: for the transcript check
python tools/build_corpora align AUDIO TEXT ALTERNATIVE     by how many nats the recording favours the alternative: for the same

Needs apt-get and dpkg-deb (Debian and its kin) and pip. Packages are cached under ~/.cache/askd-bench, or $ASKD_CACHE.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY / "tools")  # this folder is the package build_corpora; Python put the folder itself there
sys.path.insert(1, str(REPOSITORY))

from askd_bench.audio import read_audio  # noqa: E402
from askd_bench.errors import UserError  # noqa: E402
from askd_bench.paths import cache_path  # noqa: E402
from build_corpora import bass, books, fotaq, hear, music, prompts  # noqa: E402
from build_corpora.describe import with_counts  # noqa: E402
from build_corpora.lines import Verdicts, write_manifest  # noqa: E402

SUITES = REPOSITORY / "suites"
NOTICES = ("readme.original.txt", "copyright.debian", "NOTICE-MODIFIED-VERSION.txt")


def build_bundled(out: Path) -> list[str]:
    """Build the generated parts (manifest, audio, counts) of every bundled folder under `out`; return the folders, relative to suites/."""
    verdicts = Verdicts.read()
    accents_audio = SUITES / "corpora" / "accents" / "audio"
    builders: dict[str, Callable[[Path], list[dict[str, object]]]] = {
        "corpora/dialogue": lambda folder: fotaq.dialogue(folder, verdicts),
        "corpora/accents": lambda folder: bass.accents(folder, verdicts, accents_audio),
        "corpora/prompts": lambda folder: prompts.prompts(folder, verdicts),
        "corpora/books": lambda folder: books.books(folder, verdicts),
        "noise/music": music.music,
    }
    for name, build in builders.items():
        folder = out / name
        (folder / "audio").mkdir(parents=True)
        rows = build(folder)
        write_manifest(folder, rows)
        if name.startswith("corpora/"):
            described = with_counts((SUITES / name / "corpus.toml").read_text(encoding="utf-8"), folder, rows)
            (folder / "corpus.toml").write_text(described, encoding="utf-8")
        print(f"{name}: {len(rows)} recordings, {sum(float(str(row['duration'])) for row in rows) / 60:.1f} min")
    return list(builders)


def bundled(check: bool) -> None:
    """Rebuild the bundled folders; with `check`, change nothing and say what differs."""
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(scratch)
        folders = build_bundled(built)
        if check:
            differing = [path for name in folders for path in differences(built / name, SUITES / name)]
            if differing:
                raise UserError(f"bundled: {len(differing)} files differ from a fresh build, first {differing[0]}")
            print("every bundled file equals a fresh build")
            return
        for name in folders:
            shutil.rmtree(SUITES / name / "audio", ignore_errors=True)
            shutil.copytree(built / name, SUITES / name, dirs_exist_ok=True)


def differences(built: Path, committed: Path) -> list[Path]:
    """Return the generated files (manifest, counts, audio) that are missing, extra or different."""
    here = {path.relative_to(built) for path in built.rglob("*") if path.is_file()}
    there = {path.relative_to(committed) for path in (committed / "audio").glob("*")}
    return [committed / name for name in sorted(here | there) if not _same(built / name, committed / name)]


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def training(out: Path) -> None:
    """Build the training corpus: audio, manifest and the notices that have to stay with it."""
    (out / "audio").mkdir(parents=True, exist_ok=True)
    rows = fotaq.training(out)
    for notice in NOTICES:
        shutil.copy(SUITES / "corpora" / "dialogue" / notice, out)
    write_manifest(out, rows)  # last, so that a folder with a manifest is a whole one
    print(f"{out}: {len(rows)} recordings, {sum(float(str(row['duration'])) for row in rows) / 60:.1f} min")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="build_corpora", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("bundled").add_argument("--check", action="store_true", help="change nothing, exit with 1 where anything differs")
    commands.add_parser("training").add_argument("--out", type=Path, default=cache_path("corpora") / "fotaq-training")
    hearing = commands.add_parser("hear")
    hearing.add_argument("manifest", type=Path)
    hearing.add_argument("--whisper", metavar="DIR", help="a Whisper checkpoint instead of Moonshine")
    aligning = commands.add_parser("align")
    aligning.add_argument("audio", type=Path)
    aligning.add_argument("text")
    aligning.add_argument("alternative")
    aligning.add_argument("--pronounced", action="append", default=[], metavar="'WORD PHONES'", help="a word that the dictionary lacks")
    arguments = parser.parse_args()
    try:
        match arguments.command:
            case "bundled":
                bundled(arguments.check)
            case "training":
                training(arguments.out)
            case "hear":
                transcribe = hear.whisper(arguments.whisper) if arguments.whisper else hear.moonshine()
                for line in hear.hear(arguments.manifest, transcribe):
                    print(line, flush=True)
            case "align":
                samples = read_audio(arguments.audio)
                print(round(hear.alignment_gain(samples, arguments.text, arguments.alternative, arguments.pronounced)))
    except (UserError, OSError, ValueError, ImportError) as error:
        sys.exit(f"build_corpora: {error}")


if __name__ == "__main__":
    main()
