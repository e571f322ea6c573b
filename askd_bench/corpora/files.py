"""Corpora of audio files: those in the package, a JSONL manifest, an audio folder, a Kaldi data folder, Lhotse's cuts."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from askd_bench.compression import SUFFIXES, is_compressed
from askd_bench.corpora.base import Corpus, Digest, folder_name
from askd_bench.corpora.cuts import is_cuts, read_cuts
from askd_bench.corpora.kaldi import WAV_SCP, read_data_folder
from askd_bench.corpora.records import read_manifest, read_metadata_csv
from askd_bench.errors import UserError
from askd_bench.files import read_toml
from askd_bench.types import Utterance

ABOUT_FILE = "corpus.toml"
MANIFEST_FILE = "manifest.jsonl"
METADATA_FILE = "metadata.csv"
LISTS = (".jsonl", ".json", ".csv", *(f".jsonl{suffix}" for suffix in SUFFIXES))
"""How the names of files end that list recordings."""

_INDICES = (MANIFEST_FILE, METADATA_FILE, WAV_SCP)


class _About(BaseModel):
    model_config = ConfigDict(frozen=True)  # a corpus.toml says more to others

    title: str
    licence: str
    group_is: str = ""
    speaker_is: str = ""


@dataclass(frozen=True, kw_only=True)
class FileCorpus(Corpus):
    """Audio files listed in a manifest (`*.jsonl`, of NeMo or of Lhotse), in a `metadata.csv` or in a Kaldi folder's `wav.scp`: `index`.

    A file that is missing is no error here: its utterance fails when its audio is read, and is reported then. `root` is the folder that all
    recordings are below, where ids need more than the names of files; see `read_manifest`.
    """

    index: Path
    root: Path | None = None

    def __iter__(self) -> Iterator[Utterance]:
        """Yield the utterances in the order of the index."""
        return self.scored(self._listed())

    def _listed(self) -> Iterator[Utterance | None]:
        if self.index.name == WAV_SCP:
            return read_data_folder(self.index.parent)
        if self.index.suffix.lower() == ".csv":
            return read_metadata_csv(self.index)
        return read_cuts(self.index) if is_cuts(self.index) else read_manifest(self.index, root=self.root)

    def fingerprint(self) -> str:
        """Return the sha256 of each utterance's id, text, speaker, group, split and the size of its file (None where missing); of a
        part of a recording, which part; and its channels, where they are chosen.

        It does not cover the folder's place nor the audio's content; the rows of a run carry hashes of what was transcribed.
        """
        digest = Digest()
        for utterance in self:
            assert isinstance(utterance.audio, Path)
            size = utterance.audio.stat().st_size if utterance.audio.is_file() else None
            part = () if utterance.offset_s is None else (utterance.offset_s, utterance.duration_s)
            channels = (utterance.channels,) if utterance.channels else ()
            digest.add(utterance.id, utterance.reference, utterance.speaker, utterance.group, utterance.split, size, *part, *channels)
        return digest.hex()


def open_files(path: Path, *, source: str | None = None) -> FileCorpus:
    """Open a manifest, or a folder that holds `manifest.jsonl`, `metadata.csv` or `wav.scp` (perhaps `corpus.toml`); check every entry.

    Raises:
        UserError: no such file, nothing in it, a malformed entry, or an id that occurs twice.
    """
    index = _index_in(path) if path.is_dir() else path
    if index.name != WAV_SCP and not index.name.lower().endswith(LISTS):
        raise UserError(f"corpus: {path} must be a .jsonl manifest or a folder with {METADATA_FILE} or {WAV_SCP}")
    about_file = index.parent / ABOUT_FILE
    about = read_about(about_file) if index.name in _INDICES and about_file.is_file() else {}
    stem = Path(index.stem).stem if is_compressed(index) else index.stem
    generic = stem in {"manifest", "metadata"} or index.name == WAV_SCP
    about.setdefault("name", folder_name(index.resolve().parent.name if generic else stem))
    corpus = FileCorpus(source=source or str(path), index=index, root=None, **about)
    if _repeated(corpus) is not None:
        recordings = [str(utterance.audio) for utterance in corpus]
        if all(map(os.path.isabs, recordings)):
            corpus = replace(corpus, root=Path(os.path.commonpath([os.path.dirname(one) for one in recordings])))
    _check(corpus)
    return corpus


def read_about(file: Path) -> dict[str, str]:
    """Return what a `corpus.toml` says, as fields of `Corpus`: `name` is the folder's, `description` is its `title`.

    `licence` must be there too; `group_is` and `speaker_is` may be. Everything else in the file is for its readers.

    Raises:
        UserError: the file is not TOML, or one of these is missing or not text.
    """
    about = read_toml(file, _About, argument="corpus").model_dump(exclude_unset=True)
    return {"name": folder_name(file.resolve().parent.name), "description": about.pop("title"), **about}


def _index_in(folder: Path) -> Path:
    for name in _INDICES:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"corpus: folder {folder} must hold {', '.join(_INDICES[:-1])} or {_INDICES[-1]}")


def _check(corpus: FileCorpus) -> None:
    if (twice := _repeated(corpus)) is not None:
        raise UserError(f"{corpus.index}: id: {twice!r} occurs twice; give each utterance an 'id' of its own")
    if next(iter(corpus), None) is None:
        raise UserError(f"corpus: {corpus.index} is empty: it must list at least one utterance")


def _repeated(corpus: FileCorpus) -> str | None:
    """Return the first id that occurs twice; None where none does."""
    seen: set[str] = set()
    for utterance in corpus:
        if utterance.id in seen:
            return utterance.id
        seen.add(utterance.id)
    return None
