"""One of everything that a package can bring to askd-bench; `pyproject.toml` names them."""

from pathlib import Path

SUITE = Path(__file__).with_name("overdriven.toml")
