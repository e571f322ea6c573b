"""Hub corpora that are known by name: one TOML file each, checked when read."""

from pathlib import Path

from askd_bench.corpora.base import Corpus
from askd_bench.corpora.hub import Columns, HubSource, open_hub
from askd_bench.files import Document, read_toml
from askd_bench.paths import CORPORA_DIR

DECLARED_DIR = CORPORA_DIR / "declared"


class DeclaredColumns(Document):
    """The names of the dataset's columns; those left out are looked for under their usual names."""

    audio: str
    text: str
    id: str | None = None
    speaker: str | None = None
    group: str | None = None
    duration: str | None = None


class Declaration(Document):
    """The content of a declaration: `name` is the file's stem, the rest are its keys.

    `revision` is a commit, tag or branch; "main", like any branch, is resolved to its newest commit when the corpus is opened, and that
    commit is what a run records.
    """

    name: str = ""
    description: str
    licence: str
    homepage: str
    hub_id: str
    revision: str = "main"
    config: str | None = None
    split: str
    group_is: str = "group"
    speaker_is: str = "speaker"
    columns: DeclaredColumns

    def open(self) -> Corpus:
        """Open the dataset; see `hub.open_hub`."""
        return open_hub(
            HubSource(id=self.hub_id, revision=self.revision, config=self.config, split=self.split),
            columns=Columns(**self.columns.model_dump()),
            name=self.name,
            description=self.description,
            licence=self.licence,
            group_is=self.group_is,
            speaker_is=self.speaker_is,
        )


def read_declaration(file: Path) -> Declaration:
    """Read and check one declaration.

    Raises:
        UserError: the file is not TOML, or a key is missing, unknown or of the wrong type.
    """
    return read_toml(file, Declaration, argument="corpus").model_copy(update={"name": file.stem})
