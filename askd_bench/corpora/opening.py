"""The one door to speech: `open_corpus` for whatever `--corpus` names, `list_corpora` for the names that are known."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from askd_bench.corpora.base import Corpus
from askd_bench.corpora.declared import DECLARED_DIR, read_declaration
from askd_bench.corpora.files import ABOUT_FILE, LISTS, open_files, read_about
from askd_bench.corpora.generated import SILENCE, SilenceCorpus
from askd_bench.corpora.hub import HubSource, open_hub
from askd_bench.errors import UserError, unknown_name
from askd_bench.paths import CORPORA_DIR
from askd_bench.plugins import Plugin, plugins

HUB_PREFIX = "hub:"

FETCH_STORED = "ASKD_FETCH_STORED"
"""Environment variable: 1 lets `open_stored` use the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusEntry:
    """A corpus known by name: "bundled" and "generated" ones are here, "hub" ones are streamed when asked for, "package" ones opened."""

    name: str
    kind: Literal["bundled", "generated", "hub", "package"]
    description: str
    licence: str


def list_corpora() -> Sequence[CorpusEntry]:
    """Return the bundled corpora, the generated one, the declared ones, and those of packages. Reads only TOML files, and opens none."""
    bundled = [read_about(file) for file in _bundled().values()]
    silence = SilenceCorpus()
    declared = [read_declaration(file) for file in _declared().values()]
    return [
        *(CorpusEntry(name=about["name"], kind="bundled", description=about["description"], licence=about["licence"]) for about in bundled),
        CorpusEntry(name=silence.name, kind="generated", description=silence.description, licence=silence.licence),
        *(CorpusEntry(name=one.name, kind="hub", description=one.description, licence=one.licence) for one in declared),
        *(
            CorpusEntry(name=name, kind="package", description=f"of {plugin.package}", licence="unknown until opened")
            for name, plugin in plugins("corpora").items()
        ),
    ]


def open_corpus(spec: str) -> Corpus:
    """Open a corpus and check it as far as that is cheap: every entry of a local list, the columns and split of a hub corpus.

    Args:
        spec: one of
            - the name of a bundled or declared corpus, or of an installed package's (`list_corpora`); it goes before a file of that name;
            - a NeMo-style `.jsonl` manifest (see `records.read_manifest`);
            - a `.jsonl.gz` manifest of Lhotse's cuts (see `cuts.read_cuts`);
            - a folder with `metadata.csv` (see `records.read_metadata_csv`) or `manifest.jsonl`;
            - a Kaldi data folder (see `kaldi.read_data_folder`);
            - `hub:ID[@revision][:config][:split]`, where ID is a Hugging Face dataset or a local folder laid out like one (`hub.open_hub`).

    Raises:
        UserError: nothing of that name (the nearest names are offered), or the source is malformed, empty or out of reach.
    """
    if spec.startswith(HUB_PREFIX):
        source = HubSource.parse(spec.removeprefix(HUB_PREFIX))
        try:
            return open_hub(source)
        except UserError as error:
            raise UserError(f"{error}{_declared_near(source)}") from error
    if spec == SILENCE:
        return SilenceCorpus()
    if spec in (bundled := _bundled()):
        return open_files(bundled[spec].parent, source=spec)
    if spec in (declared := _declared()):
        return read_declaration(declared[spec]).open()
    if spec in (others := plugins("corpora")):
        return _of_package(others[spec])
    path = Path(spec)
    if os.path.exists(spec):  # Path.exists raises where the name is too long
        return open_files(path)
    if path.name.lower().endswith(LISTS):
        raise UserError(f"corpus: {spec} does not exist")
    if "/" in spec:
        raise UserError(f"corpus: {spec!r} is no file or folder here; for a Hugging Face dataset write {HUB_PREFIX}{spec}")
    raise unknown_name("corpus", spec, [*bundled, SILENCE, *declared, *others])


def _of_package(plugin: Plugin) -> Corpus:
    """Return the corpus that a package's function, or class, gives."""
    corpus: object = plugin.call(plugin.load_as(callable, "a function without arguments that returns a Corpus"))
    if not isinstance(corpus, Corpus):
        raise plugin.refused(f"gave {type(corpus).__name__!r} (allowed: a function without arguments that returns a Corpus)")
    if corpus.source != plugin.name:
        raise plugin.refused(f"gave a corpus with source {corpus.source!r} (allowed: its own name, by which a run can be repeated)")
    return corpus


def open_stored(source: str) -> Corpus:
    """Open the corpus that a stored file names: it may be a stranger's, and must not send anyone to the network, token and all.

    Raises:
        UserError: it is on the network, or `open_corpus` refuses it.
    """
    on_hub = source.startswith(HUB_PREFIX) and not HubSource.parse(source.removeprefix(HUB_PREFIX)).is_local
    if (on_hub or source in _declared()) and os.environ.get(FETCH_STORED) != "1":
        raise UserError(
            f"corpus: {source!r} is on the network, and nothing that a stored file names is fetched there unasked "
            f"(allowed: {FETCH_STORED}=1 in the environment, where you trust the file)"
        )
    return open_corpus(source)


def _bundled() -> dict[str, Path]:
    return {file.parent.name: file for file in sorted(CORPORA_DIR.glob(f"*/{ABOUT_FILE}"))}


def _declared() -> dict[str, Path]:
    return {file.stem: file for file in sorted(DECLARED_DIR.glob("*.toml"), key=lambda file: file.stem)}


def _declared_near(source: HubSource) -> str:
    declared = [read_declaration(file) for file in _declared().values()]
    near = difflib.get_close_matches(source.id, {one.hub_id for one in declared}, n=2, cutoff=0.6)
    names = [one.name for one in declared if one.hub_id in near]
    return f" (declared corpora like it: {', '.join(names)})" if names else ""
