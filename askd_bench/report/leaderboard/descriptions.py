"""What rows do not say: what a model is (`models.toml`), and what others have published (`published.toml`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from askd_bench.errors import UserError, unknown_name
from askd_bench.files import Document, read_toml

MODELS_FILE = "models.toml"
PUBLISHED_FILE = "published.toml"

_Text = Annotated[str, Field(min_length=1)]


class AboutModel(Document):
    """What a model is: one line, the licence of its weights, and whom it was distilled from.

    `control` is a student trained alike on the truth alone: what it shares with the teacher, this training did not hand down.
    """

    description: _Text
    licence: _Text
    teacher: str | None = None
    control: str | None = None


class Published(Document):
    """A table from elsewhere: title, where it is from, what to know, columns, rows."""

    title: _Text
    source: _Text
    url: Annotated[str, Field(pattern=r"^https://")]
    note: _Text
    columns: Annotated[tuple[str, ...], Field(min_length=2)]
    rows: Annotated[tuple[tuple[str | int | float, ...], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"every row needs {len(self.columns)} entries, as many as there are columns")
        return self


class _PublishedFile(Document):
    tables: tuple[Published, ...]


def family(models: Mapping[str, AboutModel], name: str) -> str:
    """Return the model at the head of the line of teachers: those of another family have nothing to do with it."""
    seen = {name}
    while (about := models.get(name)) and about.teacher and about.teacher not in seen:
        name = about.teacher
        seen.add(name)
    return name


def read_models(folder: Path, names: list[str]) -> dict[str, AboutModel]:
    """Return model -> what is known of it; empty where the folder has no `models.toml`.

    Args:
        folder: of results.
        names: of the models that have results, each of which needs an entry.

    Raises:
        UserError: the file is malformed, a model has no entry, or a teacher or control is none of its models.
    """
    file = folder / MODELS_FILE
    if not file.is_file():
        return {}
    models = read_toml(file, dict[str, AboutModel], argument="results")
    for name, about in models.items():
        for role, other in (("teacher", about.teacher), ("control", about.control)):
            if other is not None and other not in models:
                raise unknown_name(f"{file}: {name}: {role}", other, models)
    missing = next((name for name in names if name not in models), None)
    if missing is not None:
        raise UserError(f'{file}: {missing!r} has no entry (allowed: ["{missing}"] with description, licence, and teacher if it has one)')
    return models


def read_published(folder: Path) -> tuple[Published, ...]:
    """Return the tables of `published.toml`; empty where the folder has none.

    Raises:
        UserError: the file is malformed.
    """
    file = folder / PUBLISHED_FILE
    if not file.is_file():
        return ()
    return read_toml(file, _PublishedFile, argument="results").tables
