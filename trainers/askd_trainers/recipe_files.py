"""Recipes as TOML files: bundled ones by name, what they extend, and what `--set` changes."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from askd_bench.errors import UserError, unknown_name
from askd_bench.paths import DATA_ROOT
from askd_trainers.recipe import BaseRecipe, Recipe

RECIPES_DIR = DATA_ROOT / "recipes" if (DATA_ROOT / "recipes").is_dir() else DATA_ROOT / "trainers" / "recipes"
"""The recipes that come with the package, one a file."""

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=BaseRecipe)


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe, with what it extends and what `--set` changes.

    A recipe may name another with `extends = "other.toml"`, beside itself or else a bundled one; tables are merged, its own values win.

    Args:
        source: a file, or the name of a bundled recipe (without `.toml`).
        overrides: `section.key=value`, with the value in TOML (a bare word counts as a string).

    Raises:
        UserError: the file is missing or no TOML, a key is unknown, or a value out of range; one line that names it.

    Example:
        >>> recipe = load_recipe("askd", ["data.train=speech.jsonl", "objective.temperature=4"])
        >>> recipe.arm, recipe.objective.temperature, recipe.data.train
        ('askd', 4.0, ('speech.jsonl',))
    """
    return load_recipe_of(Recipe, source, overrides)


def load_recipe_of(kind: type[R], source: str | Path, overrides: Sequence[str] = ()) -> R:
    """Read a recipe of another `kind`; see `load_recipe`."""
    path = Path(source)
    if not path.suffix and not path.is_file():
        path = RECIPES_DIR / f"{source}.toml"
        if not path.is_file():
            raise unknown_name("recipe", str(source), [p.stem for p in RECIPES_DIR.glob("*.toml") if not p.stem.startswith("_")])
    values = _read(path)
    for override in overrides:
        _apply(values, override)
    return validated(kind, values, str(path))


def validated(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """Return `model` made of `values`, or raise a `UserError` that names the first wrong key."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "recipe"
        value = "" if first["type"] == "missing" or isinstance(first["input"], dict) else f" (got {first['input']!r})"
        known = f"; known keys here: {', '.join(_keys_at(model, first['loc']))}" if first["type"] == "extra_forbidden" else ""
        raise UserError(f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}{value}{known}") from error


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        inner = [t for t in (field.annotation, *getattr(field.annotation, "__args__", ())) if field] if field else []
        model = next((t for t in inner if isinstance(t, type) and issubclass(t, BaseModel)), model)
    return sorted(model.model_fields)


def _read(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"recipe: {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"recipe: {path} is not valid TOML: {error}") from error
    if "extends" not in values:
        return values
    parent, chain = values.pop("extends"), (*below, path.resolve())
    beside = path.parent / str(parent)
    below_this = RECIPES_DIR / str(parent) if not beside.is_file() and (RECIPES_DIR / str(parent)).is_file() else beside
    if not isinstance(parent, str) or below_this.resolve() in chain:
        raise UserError(f"recipe: {path}: extends: {parent!r} must name another file that does not extend this one")
    return merged(_read(below_this, chain), values)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables in one; where both have a value, that of `above`.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def _apply(values: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name.strip():
        raise UserError(f"--set: {override!r} is not of the form section.key=value")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, key = name.strip().split(".")
    table = values
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UserError(f"--set: {name!r}: {section!r} is not a table")
    table[key] = (value,) if (sections, key) == (["data"], "train") and isinstance(value, str) else value
