"""Streams a dataset of the Hugging Face hub, or a local folder laid out like one, at one revision; audio stays encoded.

`datasets` is imported when a corpus is opened, never before: it takes seconds.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from askd_bench.corpora.base import Corpus, Digest, folder_name
from askd_bench.corpora.hub_tables import read_verbatim
from askd_bench.errors import UserError
from askd_bench.types import Utterance

if TYPE_CHECKING:
    from datasets import Audio, Features, IterableDataset

PARQUET_REVISION = "refs/convert/parquet"
"""The branch on which the hub keeps a parquet copy of datasets that were made by a script, which `datasets` 4 and later refuse to run."""

_SHA_LENGTH = 40
_ARCHIVES = ("zip", "tar", "gzip", "bz2", "xz", "lz4", "zstd")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """What to stream: a dataset id or local folder, and where the default will not do, its revision, config and split.

    `data_dir` is set in place of `config` where the dataset has no configs but a folder of that name, as the hub's parquet copies do.
    """

    id: str
    revision: str | None = None
    config: str | None = None
    split: str | None = None
    data_dir: str | None = None

    @classmethod
    def parse(cls, spec: str) -> "HubSource":
        """Parse `ID[@revision][:config][:split]`; an empty part is the default.

        >>> HubSource.parse("openslr/librispeech_asr@main:clean:test")
        HubSource(id='openslr/librispeech_asr', revision='main', config='clean', split='test', data_dir=None)
        >>> HubSource.parse("edinburghcstr/edacc::validation").split
        'validation'
        """
        location, *rest = spec.split(":")
        if len(rest) > 2 or not location.partition("@")[0]:
            raise UserError(f"corpus: 'hub:{spec}' must be hub:ID[@revision][:config][:split]")
        config, split = [*rest, "", ""][:2]
        dataset, _, revision = (location, "", "") if Path(location).is_dir() else location.partition("@")
        return cls(id=dataset, revision=revision or None, config=config or None, split=split or None)

    @property
    def is_local(self) -> bool:
        """Whether the id is a folder here."""
        return Path(self.id).is_dir()

    def __str__(self) -> str:
        """Return it in the form that `parse` reads, after `hub:`."""
        revision = f"@{self.revision}" if self.revision else ""
        return f"hub:{self.id}{revision}:{self.config or self.data_dir or ''}:{self.split or ''}".rstrip(":")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns hold what; None where the dataset has no such column."""

    audio: str | None = None
    text: str | None = None
    id: str | None = None
    speaker: str | None = None
    group: str | None = None
    duration: str | None = None


# Headings met in public speech datasets, the likeliest first.
_USUAL = {
    "text": ("text", "sentence", "transcription", "transcript", "normalized_text", "raw_text"),
    "id": ("id", "utterance_id", "utt_id", "audio_id"),
    "speaker": ("speaker_id", "speaker", "client_id", "user_id"),
    "group": ("accent", "accents", "dialect", "group"),
    "duration": ("duration", "duration_s", "audio_length_s"),
}


@dataclass(frozen=True, kw_only=True)
class HubCorpus(Corpus):
    """A dataset at a fixed revision, config and split. All its utterances count as "test": the split asked for is the one reported.

    A row whose text is null has no reference and is left out. Ids come from the id column (one that occurs again gets `~2`, `~3`...), else
    from the row number.
    """

    hub: HubSource
    columns: Columns

    def __iter__(self) -> Iterator[Utterance]:
        """Stream the rows; `audio` holds the encoded bytes, or the path where the dataset holds local paths."""
        return self.scored(self._utterances(with_audio=True))

    def metadata(self) -> Iterator[Utterance]:
        """Stream the rows without audio where the dataset is parquet (only the other columns are fetched), with it elsewhere."""
        return self.scored(self._utterances(with_audio=False))

    def fingerprint(self) -> str:
        """Return the sha256 of id, revision, config, split and columns; for a local folder, its files' names and sizes instead of its id.

        The audio is covered as far as a revision pins it; the rows of a run carry hashes of what was transcribed.
        """
        digest = Digest()
        if self.hub.is_local:
            folder = Path(self.hub.id)
            digest.add(*sorted((path.relative_to(folder).as_posix(), path.stat().st_size) for path in folder.rglob("*") if path.is_file()))
        else:
            digest.add(self.hub.id, self.hub.revision)
        digest.add(
            self.hub.config,
            self.hub.data_dir,
            self.hub.split,
            *((field.name, getattr(self.columns, field.name)) for field in fields(Columns)),
        )
        return digest.hex()

    def _utterances(self, *, with_audio: bool) -> Iterator[Utterance | None]:
        times_seen: dict[str, int] = {}
        number = -1
        try:
            dataset = _stream(self.hub, self.columns, with_audio=with_audio)
            for number, row in enumerate(dataset):
                name = _label(row, self.columns.id, dataset.features) or f"{self.hub.split}-{number:07d}"
                times_seen[name] = times_seen.get(name, 0) + 1
                yield self._utterance(row, name if times_seen[name] == 1 else f"{name}~{times_seen[name]}", dataset.features)
        except UserError:
            raise
        except Exception as error:  # the network, the archive or the decoder of any format: their errors share no base
            raise UserError(f"corpus: {self.source} cannot be read after row {number}: {_one_line(error)}") from error

    def _utterance(self, row: Mapping[str, Any], name: str, features: "Features") -> Utterance | None:
        text = row.get(self.columns.text or "")
        if text is None:
            return None
        return Utterance(
            id=name,
            audio=_encoded(row.get(self.columns.audio or ""), local=self.hub.is_local),
            reference=str(text),
            duration_s=_seconds(row.get(self.columns.duration or "")),
            speaker=_label(row, self.columns.speaker, features),
            group=_label(row, self.columns.group, features),
        )


def open_hub(source: HubSource, *, columns: Columns | None = None, **about: str) -> HubCorpus:
    """Open a hub dataset or a local folder in hub layout: fix its revision and split, find its columns. Fetches no audio.

    Args:
        source: without a revision, the newest commit of "main" is taken, and recorded; without a split, "test", or the only one there is.
            A lone config that is no config but a split is taken as the split.
        columns: what holds what; None finds the usual headings, and the audio by its type.
        about: `name`, `description`, `licence`, `group_is`, `speaker_is` of the corpus.

    Raises:
        UserError: out of reach, unknown id, revision, config or split (those there are get named), made by a script, or without columns of
            audio and text.
    """
    local = source.is_local
    if not local and source.id.startswith(("/", ".", "~")):
        raise UserError(f"corpus: folder {source.id} does not exist")
    try:
        pinned = source if local else _pinned(source)
        pinned = _with_config_and_split(pinned)
        features = _stream(pinned, Columns(), with_audio=True).features
    except UserError:
        raise
    except Exception as error:  # datasets, huggingface_hub, fsspec and requests raise what they like
        hint = f"; try hub:{source.id}@{PARQUET_REVISION}" if "scripts are no longer supported" in str(error) else ""
        raise UserError(f"corpus: {source} cannot be opened (unknown, or out of reach): {_one_line(error)}{hint}") from error
    found = _columns(features, columns or Columns(), source)
    parts = (Path(source.id).resolve().name if local else source.id, source.config, source.split)
    about.setdefault("name", folder_name(".".join(part for part in parts if part)))
    return HubCorpus(source=str(pinned), hub=pinned, columns=found, **about)


def _pinned(source: HubSource) -> HubSource:
    """Return `source` with its revision resolved to a commit, so that every pass, and every later run, reads the same."""
    if source.revision and len(source.revision) == _SHA_LENGTH:
        return source
    from huggingface_hub import HfApi

    commit = HfApi().dataset_info(source.id, revision=source.revision).sha
    return replace(source, revision=commit or source.revision)


def _with_config_and_split(source: HubSource) -> HubSource:
    from datasets import get_dataset_config_names

    if source.config is not None:
        configs = get_dataset_config_names(source.id, revision=source.revision)
        if source.config not in configs:
            # datasets would take an unknown config without complaint where none are declared, and mix all files.
            in_folder = replace(source, config=None, data_dir=source.config)
            if _splits(in_folder):
                source = in_folder
            elif source.split is None and source.config in _splits(replace(source, config=None)):
                source = replace(source, config=None, split=source.config)
            else:
                raise UserError(f"corpus: {source}: config: {source.config!r} is unknown (allowed: {', '.join(configs)})")
    splits = _splits(source)
    if source.split is None:
        if "test" not in splits and len(splits) != 1:
            raise UserError(f"corpus: {source}: split: must be given (allowed: {', '.join(splits) or 'none'})")
        return replace(source, split="test" if "test" in splits else splits[0])
    if source.split not in splits:
        raise UserError(f"corpus: {source}: split: {source.split!r} is unknown (allowed: {', '.join(splits) or 'none'})")
    return source


def _splits(source: HubSource) -> list[str]:
    """Return the names of the splits; none where the folder asked for holds no data."""
    from datasets import get_dataset_split_names

    try:
        return list(get_dataset_split_names(source.id, source.config, revision=source.revision, data_dir=source.data_dir))
    except (FileNotFoundError, NotADirectoryError):
        if source.data_dir is None:
            raise
        return []


def _stream(source: HubSource, columns: Columns, *, with_audio: bool) -> "IterableDataset":
    from datasets import load_dataset_builder

    place = {"path": source.id, "name": source.config, "data_dir": source.data_dir, "revision": source.revision}
    if not with_audio:
        wanted = [getattr(columns, field.name) for field in fields(Columns) if field.name != "audio"]
        try:
            builder = load_dataset_builder(**place, columns=[column for column in wanted if column])
            return builder.as_streaming_dataset(split=source.split)
        except ValueError:  # not parquet: its builder knows no such option
            pass
    dataset = read_verbatim(load_dataset_builder(**place)).as_streaming_dataset(split=source.split)
    return dataset.cast_column(columns.audio, _undecoded_audio()) if columns.audio else dataset


def _undecoded_audio() -> "Audio":
    """Return an audio feature that passes files and bytes along; the library's own imports torchcodec to decode, and even to encode."""
    from datasets import Audio

    class UndecodedAudio(Audio):  # type: ignore[misc]  # datasets has no types
        def encode_example(self, value: Any) -> dict[str, Any]:
            if isinstance(value, Mapping):
                return {"bytes": value.get("bytes"), "path": value.get("path")}
            return {"bytes": value, "path": None} if isinstance(value, bytes) else {"bytes": None, "path": str(value)}

    return UndecodedAudio(decode=False)


def _columns(features: "Features | None", asked: Columns, source: HubSource) -> Columns:
    from datasets import Audio

    if not features:
        raise UserError(f"corpus: {source} does not say which columns it has")
    found: dict[str, str | None] = {}
    for field in fields(Columns):
        column = getattr(asked, field.name)
        if column is not None and column not in features:
            raise UserError(f"corpus: {source}: {field.name} column: {column!r} is unknown (allowed: {', '.join(features)})")
        if column is None and field.name == "audio":
            column = next((name for name, feature in features.items() if isinstance(feature, Audio)), None)
        found[field.name] = column or next((name for name in _USUAL.get(field.name, ()) if name in features), None)
    for role in ("audio", "text"):
        if found[role] is None:
            raise UserError(f"corpus: {source}: no column of {role} among {', '.join(features)}")
    return Columns(**found)


def _encoded(cell: Mapping[str, Any] | None, *, local: bool) -> Path | bytes:
    """Return an audio cell's bytes, or its path if the dataset is local; nothing where it points elsewhere than where the dataset is.

    A data set makes no requests: one on the Hub leads to files there, a local one to local files, perhaps inside an archive.
    """
    content, path = (cell.get("bytes"), cell.get("path") or "") if cell else (None, "")
    if content:
        return bytes(content)
    inner, _, container = path.rpartition("::")
    archived = inner.partition("://")[0] in _ARCHIVES and "::" not in inner
    if (archived and local and "://" not in container) or ((archived or not inner) and not local and container.startswith("hf://")):
        import fsspec  # type: ignore[import-untyped]

        with fsspec.open(path, "rb") as file:
            return bytes(file.read())
    return Path(path) if path and local and "://" not in path else b""


def _seconds(cell: object) -> float | None:
    try:
        seconds = float(cell) if isinstance(cell, int | float | str) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    return seconds if 0 <= seconds < math.inf else None


def _label(row: Mapping[str, Any], column: str | None, features: "Features | None") -> str | None:
    value = row.get(column) if column else None
    if value is None:
        return None
    names = getattr(features.get(column), "names", None) if features else None  # a ClassLabel stores numbers
    if names and isinstance(value, int):
        return str(names[value])
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value)) or None


def _one_line(error: BaseException) -> str:
    because = f" ({_one_line(error.__cause__)})" if error.__cause__ else ""
    return f"{' '.join((str(error) or type(error).__name__).split())[:300]}{because}"
