"""Write docs/METRICS.md from the docstrings of the metrics, so that the page cannot drift from the code.

Run `python tools/build_metrics_docs.py`; a test checks that the committed page equals what this prints.
"""

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

from askd_bench.metrics.catalogue import METRICS
from askd_bench.text import NORMALISERS, normaliser

PAGE = Path(__file__).resolve().parents[1] / "docs" / "METRICS.md"

CHAPTERS = (
    "word_errors",
    "loop_free",
    "robustness",
    "srb_difficulty",
    "hallucination",
    "calibration",
    "confident_errors",
    "selective",
    "temperature",
    "tempered",
    "inheritance",
    "comparison",
    "significance",
    "permutation",
    "power",
    "bootstrap",
    "ranking",
    "groups",
    "speed",
    "alignment",
    "utterance",
    "confidence",
    "items",
    "scoring",
    "summary",
)

HEAD = """# Metrics

Generated from the docstrings by `tools/build_metrics_docs.py`; do not edit.

Every figure is a pure function of the rows of `utterances.jsonl`. A value comes with a 95 % interval, the number of items it rests on, and,
where there is none, the reason: never 0 for "unknown", never NaN.
"""


def page() -> str:
    parts = [HEAD, "## All metrics by name\n", _table(), "## Text normalisers\n", _normalisers()]
    parts += [_chapter(importlib.import_module(f"askd_bench.metrics.{name}")) for name in CHAPTERS]
    return "\n".join(parts)


def _table() -> str:
    lines = ["| name | meaning | unit | better |", "| --- | --- | --- | --- |"]
    lines += [f"| `{m.name}` | {m.meaning} | {m.unit} | {m.better} |" for m in METRICS.values()]
    return "\n".join(lines) + "\n"


def _normalisers() -> str:
    versions = ", ".join(f"`{name}` (version {version})" for name, version in NORMALISERS.items())
    return f"{versions}.\n\n{_prose(normaliser)}\n"


def _chapter(module: ModuleType) -> str:
    doc = inspect.getdoc(module) or ""
    title, _, rest = doc.partition("\n")
    name = module.__name__.rsplit(".", 1)[1]
    parts = [f"## {name}: {title}\n"]
    if rest.strip():
        parts.append(_conventions(rest.strip()) + "\n")
    for item_name, item in vars(module).items():
        ours = getattr(item, "__module__", None) == module.__name__ and not item_name.startswith("_")
        if ours and (inspect.isfunction(item) or inspect.isclass(item)):
            signature = f"({_signature(item)})" if inspect.isfunction(item) else ""
            parts.append(f"### `{item_name}{signature}`\n\n{_prose(item)}\n")
    return "\n".join(parts)


def _signature(function: object) -> str:
    return ", ".join(str(p).split(":")[0] for p in inspect.signature(function).parameters.values())  # type: ignore[arg-type]


def _conventions(text: str) -> str:
    """Undo the indentation of the bullets under "Conventions:"."""
    return re.sub(r"^(Conventions[^\n]*:)\n", r"\1\n\n", re.sub(r"^    ", "", text, flags=re.M), flags=re.M)


def _prose(item: object) -> str:
    """Turn a Google docstring into Markdown: sections as bold words, their entries as bullets, doctests as code."""
    out: list[str] = []
    section = code = False
    for line in (inspect.getdoc(item) or "").splitlines():
        heading = re.fullmatch(r"(Args|Returns|Raises|Attributes|Source):", line)
        doctest = line.lstrip().startswith((">>>", "...")) or (code and bool(line.strip()))
        if doctest != code:
            out.append("```pycon" if doctest else "```")
            code = doctest
        if heading:
            section = True
            out += [f"**{heading[1]}**", ""]
        elif section and re.match(r"    \S", line) and not doctest:
            out.append(f"- {line.strip()}")
        else:
            section = section and (line.startswith(" ") or not line)
            out.append(line.strip() if section else line)
    return "\n".join([*out, "```"] if code else out)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE)
