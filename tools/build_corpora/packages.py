"""The packages the recordings come from: fetched with apt and pip, checked by SHA-256, unpacked."""

import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from askd_bench.errors import UserError
from askd_bench.paths import cache_path


@dataclass(frozen=True, slots=True)
class Package:
    """A file of a package index: `installer` is "apt" (a Debian package) or "pip" (a source distribution)."""

    installer: str
    name: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        return f"{self.name}_{self.version}_all.deb" if self.installer == "apt" else f"{self.name}-{self.version}.tar.gz"


FOTAQ = Package("apt", "flight-of-the-amazon-queen", "1.0.0-9", "40c08fd258d6fe95c46c1eaf5e9137f84ba330657995a281bd887c94a560a0f1")
PROMPTS = Package("apt", "asterisk-core-sounds-en-g722", "1.6.1-1", "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806")
PROMPT_TEXTS = Package("apt", "asterisk-core-sounds-en", "1.6.1-1", "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50")
MUSIC = Package("apt", "asterisk-moh-opsound-wav", "2.03-1.1", "8f9d808a729d305c2d3343993f21ca5e6829e411682618dc8ea7aa8bc24a566c")
POCKETSPHINX = Package("pip", "pocketsphinx", "5.1.1", "675778b309a22dfc9b7d37f7621976bba491d2a5f8c59696bd77fd6d07271355")


def unpacked(package: Package) -> Path:
    """Return the folder that holds the package's files, fetching it once into the cache.

    Raises:
        UserError: apt, dpkg-deb or pip is missing or fails, or what arrived has another SHA-256.
    """
    folder = cache_path("packages")
    file = folder / package.filename
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(package, folder)
    found = sha256(file.read_bytes()).hexdigest()
    if found != package.sha256:
        raise UserError(f"{file}: sha256 is {found}, expected {package.sha256}; remove it if the download was cut short")
    out = folder / f"{package.name}-{package.version}"
    if not out.is_dir():
        partial = out.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        if package.installer == "apt":
            _run("dpkg-deb", "-x", str(file), str(partial), needed_for=package)
        else:
            with tarfile.open(file) as archive:
                archive.extractall(partial, filter="data")
        partial.rename(out)
    return out


def _fetch(package: Package, folder: Path) -> None:
    print(f"fetching {package.name} {package.version} with {package.installer}", file=sys.stderr)
    if package.installer == "apt":
        download = ("apt-get", "download", "-qq", f"{package.name}={package.version}")
        try:
            _run(*download, needed_for=package, cwd=folder)
        except UserError:  # a new machine has no package lists yet
            _run("apt-get", "update", "-qq", needed_for=package)
            _run(*download, needed_for=package, cwd=folder)
    else:  # pip asks the sdist for its metadata, which needs its build requirements for a moment; nothing is compiled
        requirement = f"{package.name}=={package.version}"
        options = ("--quiet", "--no-deps", "--no-binary", package.name, "--dest", str(folder))
        _run(sys.executable, "-m", "pip", "download", *options, requirement, needed_for=package)
    if not (folder / package.filename).is_file():
        raise UserError(f"{package.name} {package.version}: {package.installer} brought no file called {package.filename}")


def _run(program: str, *arguments: str, needed_for: Package, cwd: Path | None = None) -> None:
    wanted = f"{needed_for.name} {needed_for.version} (or put {needed_for.filename} into {cache_path('packages')})"
    try:
        done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise UserError(f"{program} is not installed; it is needed to fetch {wanted}") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{program} {arguments[0]} failed ({reason}); it was to fetch {wanted}")
