"""What rows do not say: what a model is (`models.toml`), and what others have published (`published.toml`)."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from askd_bench.errors import UserError, unknown_name

MODELS_FILE = "models.toml"
PUBLISHED_FILE = "published.toml"

_Text = Annotated[str, Field(min_length=1)]


class AboutModel(BaseModel):
    """What a model is: one line, the licence of its weights, and whom it was distilled from.

    `control` is a student trained alike on the truth alone, without the teacher: what it shares with the teacher was not handed down.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    description: _Text
    licence: _Text
    teacher: str | None = None
    control: str | None = None


class Published(BaseModel):
    """A table from elsewhere: title, where it is from, what to know, columns, rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)
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


class _PublishedFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    tables: tuple[Published, ...]


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
    models: dict[str, AboutModel] = _validated(file, TypeAdapter(dict[str, AboutModel]))
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
    published: _PublishedFile = _validated(file, TypeAdapter(_PublishedFile))
    return published.tables


def _validated(file: Path, adapter: TypeAdapter[Any]) -> Any:
    try:
        return adapter.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        problem = error.errors()[0]
        raise UserError(f"{file}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error})") from None
