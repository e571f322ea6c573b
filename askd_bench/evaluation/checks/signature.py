"""Does a signature fit itself, its directory, and what other results say of the same model?"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from askd_bench.evaluation.checks.rows import is_own
from askd_bench.files import to_json
from askd_bench.results import SUMMARY_FILE
from askd_bench.rows import ROWS_FILE
from askd_bench.signature import SIGNATURE_FILE, Signature

_SHA256 = re.compile("[0-9a-f]{64}")
_VERSION = re.compile(r"[0-9]+(\.[0-9a-z]+)*([+-][0-9A-Za-z.]+)?")
_NEEDED = ("python", "askd-bench", "numpy", "torch")
_OF_WEIGHTS = ("architecture", "parameters", "weights_bytes")
_IDENTITY = ("weights_sha256", *_OF_WEIGHTS, "macs_per_second", "decoding", "dtype")
_BYTES = {"float32": (1.9, 8.1), "float16": (1.9, 8.1), "bfloat16": (1.9, 8.1)}
"""Computing type -> least and most bytes that a parameter of a checkpoint is stored in."""


def place_problems(path: Path, signature: Signature) -> Iterator[str]:
    """Yield whether the directory is where its signature belongs, as a run leaves it, and the signature as a run writes it."""
    belongs = signature.place
    if path.resolve().parts[-3:] != belongs.parts:
        yield f"signature: belongs into {belongs}"
    if (path / SIGNATURE_FILE).read_bytes() != to_json(signature.as_dict()):
        yield "signature: not as a run writes it (order of keys, a key twice, or a number of another form)"
    for name in (ROWS_FILE, SUMMARY_FILE, SIGNATURE_FILE):
        files = sorted(file.name for file in path.iterdir() if file.name.lower().startswith(name))
        if len(files) > 1:
            yield f"{' and '.join(files)} lie side by side, and only one is read"


def card_problems(signature: Signature, planned: int) -> Iterator[str]:
    """Yield which entries of a signature cannot be together; `planned`: how many rows its plan comes to."""
    card, versions = signature.model, signature.versions
    if signature.planned_rows not in (None, planned):
        yield f"planned_rows: {signature.planned_rows} -> {planned}"
    if not _SHA256.fullmatch(card.weights_sha256):
        yield "model.weights_sha256 is no hash"
    if signature.batch_size < 1 or card.threads < is_own(signature):  # transcripts have no threads
        yield "batch_size and threads must be 1 or more"
    yield from (f"versions.{name} is missing" for name in _NEEDED if name not in versions)
    yield from (f"versions.{name}: {version[:40]!r} is no version" for name, version in versions.items() if not _VERSION.fullmatch(version))
    if card.device.startswith("cuda") and versions.get("torch", "").endswith("+cpu"):
        yield f"model.device is {card.device}, and versions.torch a build without it"
    for name in ("parameters", "weights_bytes", "macs_per_second"):
        if (getattr(card, name) or 1) < 1:
            yield f"model.{name} must be above 0"
    if is_own(signature) and card.parameters and card.weights_bytes:
        yield from _size_problems(signature, card.weights_bytes / card.parameters)


def _size_problems(signature: Signature, stored: float) -> Iterator[str]:
    card = signature.model
    least, most = (0.4, 8.1) if ":" in card.source else _BYTES.get(card.dtype, (0.4, 8.1))
    if card.dtype.startswith("int8"):
        most = 1.9
    if not least <= stored <= most:
        yield f"model: {stored:.2f} bytes a parameter do not go with {card.dtype}"


def same_model_problems(signature: Signature, others: Iterable[Signature]) -> Iterator[str]:
    """Yield in what other results contradict: the same name is one model in one way, the same weights are one architecture and size."""
    own = signature.model
    for other in others:
        named = other.model.id == own.id
        alike = other.model.weights_sha256 == own.weights_sha256
        for entry in _IDENTITY if named else _OF_WEIGHTS if alike else ():
            if getattr(own, entry) != getattr(other.model, entry):
                yield f"model.{entry} is another than that of {other.place}"
                return
