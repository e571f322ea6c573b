"""The files of an ONNX export of a sequence-to-sequence model, as optimum lays them out, and what is stored in them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from askd_bench.errors import UserError

_ENCODER, _MERGED = "encoder_model", "decoder_model_merged"
_SEPARATE = ("decoder_model", "decoder_with_past_model")
_REMEDY = "what optimum-cli export onnx --task automatic-speech-recognition-with-past writes"


@dataclass(frozen=True, slots=True)
class OnnxFiles:
    """The files a decoding needs: the encoder, and the decoder for the first step and for those that follow, which may be one file."""

    encoder: Path
    first: Path
    following: Path

    def __iter__(self) -> Iterator[Path]:
        """Yield each file once."""
        return iter(dict.fromkeys((self.encoder, self.first, self.following)))


@dataclass(frozen=True, slots=True)
class Stored:
    """What files hold: the type of most weights, e.g. "float32" or "int8", all bytes, and the digest of these bytes."""

    dtype: str
    num_bytes: int
    sha256: str


def find_onnx_files(model: str, folder: Path) -> OnnxFiles:
    """Find an export in a folder or in its subfolder `onnx`.

    A decoder merged from its two is taken before those. Where no file has a plain name, all may share an ending, e.g. `_quantized`.

    Args:
        model: the `--model` argument, for messages.
        folder: where to look.

    Raises:
        UserError: there is no whole export, or several with an ending each.
    """
    places = [place for place in (folder, folder / "onnx") if any(place.glob(f"{_ENCODER}*.onnx"))]
    if not places:
        raise UserError(f"model: {model!r} has no {_ENCODER}.onnx (allowed: {_REMEDY})")
    place = places[0]
    endings = sorted(file.stem.removeprefix(_ENCODER) for file in place.glob(f"{_ENCODER}*.onnx"))
    if "" not in endings and len(endings) > 1:
        raise UserError(f"model: {model!r} holds exports ending in {', '.join(endings)} (allowed: a folder with one of them)")
    encoder, merged, first, following = (place / f"{stem}{endings[0]}.onnx" for stem in (_ENCODER, _MERGED, *_SEPARATE))
    if merged.is_file():
        return OnnxFiles(encoder, merged, merged)
    lacking = next((file.name for file in (first, following) if not file.is_file()), None)
    if lacking:
        raise UserError(f"model: {model!r} has neither {merged.name} nor {lacking} (allowed: {_REMEDY})")
    return OnnxFiles(encoder, first, following)


def inspect_onnx_files(files: OnnxFiles, onnx: Any) -> Stored:
    """Read what the files hold.

    Args:
        files: of one export.
        onnx: the package.

    Raises:
        Exception: a file is no ONNX model, or one with its weights is missing.
    """
    counts: dict[int, int] = {}
    paths: dict[Path, None] = {}
    for file in files:
        paths[file] = None
        for tensor in _tensors(onnx.load(file, load_external_data=False).graph, onnx):
            counts[tensor.data_type] = counts.get(tensor.data_type, 0) + prod(tensor.dims)
            paths |= {file.parent / entry.value: None for entry in tensor.external_data if entry.key == "location"}
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    name = onnx.TensorProto.DataType.Name(max(counts, key=lambda kind: counts[kind])).lower()
    return Stored("float32" if name == "float" else name, sum(path.stat().st_size for path in paths), digest.hexdigest())


def _tensors(graph: Any, onnx: Any) -> Iterator[Any]:
    """Yield the tensors stored in a graph: initializers, constants, and those of the branches of a merged decoder."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type == onnx.AttributeProto.GRAPH:
                yield from _tensors(attribute.g, onnx)
