"""Exports a Whisper checkpoint to ONNX with the files and names of optimum, whose releases do not take transformers 5."""

import shutil
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from askd_bench.models.whisper.encoder import allow_short_context

_OPSET = 17
_PRESENT = [f"{part}.{kind}" for part in ("decoder", "encoder") for kind in ("key", "value")]


class _Encoder(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder = model.model.encoder

    def forward(self, input_features: Tensor) -> Tensor:
        states: Tensor = self.encoder(input_features).last_hidden_state
        return states


class _Decoder(nn.Module):
    """Without a past it takes the encoder's states and returns all keys and values; with one it takes these and returns the decoder's."""

    def __init__(self, model: Any, *, with_past: bool) -> None:
        super().__init__()
        self.model, self.with_past = model, with_past

    def forward(self, input_ids: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
        own, cross = DynamicCache(), DynamicCache()
        states = given[0]
        if self.with_past:
            for layer in range(len(given) // 4):
                own.update(*given[4 * layer : 4 * layer + 2], layer)
                cross.update(*given[4 * layer + 2 : 4 * layer + 4], layer)
            states = torch.zeros(1)  # keys and values of the encoder's states are in the past
        cache = EncoderDecoderCache(own, cross)
        decoder = self.model.model.decoder
        hidden = decoder(input_ids=input_ids, encoder_hidden_states=states, past_key_values=cache, use_cache=True).last_hidden_state
        outputs = [self.model.proj_out(hidden)]
        for mine, theirs in zip(own.layers, cross.layers, strict=True):
            outputs += [mine.keys, mine.values] + ([] if self.with_past else [theirs.keys, theirs.values])
        return tuple(outputs)


def export_onnx(checkpoint: Path, folder: Path, *, any_length: bool = False) -> Path:
    """Write encoder_model.onnx, decoder_model.onnx, decoder_with_past_model.onnx and the files beside the weights; return the folder.

    Args:
        checkpoint: a folder.
        folder: a new one.
        any_length: whether the graphs take fewer frames than the window has, with the first rows of the position embedding.
    """
    model = WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
    config = model.config
    folder.mkdir(parents=True)
    for file in checkpoint.glob("*.json"):
        if "index" not in file.name:
            shutil.copy(file, folder)
    heads, frames = config.decoder_attention_heads, config.max_source_positions
    if any_length:
        allow_short_context(model.model.encoder)
        frames -= 10
    states, ids = torch.randn(2, frames, config.d_model), torch.tensor([[1, 2], [3, 4]])
    present = [f"present.{layer}.{name}" for layer in range(config.decoder_layers) for name in _PRESENT]
    past = [name.replace("present", "past_key_values") for name in present]
    kept = [torch.randn(2, heads, 5 if ".decoder." in name else frames, config.d_model // heads) for name in past]
    _export(
        _Encoder(model),
        (torch.randn(2, config.num_mel_bins, 2 * frames),),
        folder,
        "encoder_model",
        ["input_features"],
        ["last_hidden_state"],
        any_length,
    )
    _export(
        _Decoder(model, with_past=False),
        (ids, states),
        folder,
        "decoder_model",
        ["input_ids", "encoder_hidden_states"],
        ["logits", *present],
        any_length,
    )
    grown = [name for name in present if ".decoder." in name]
    _export(
        _Decoder(model, with_past=True),
        (ids[:, :1], *kept),
        folder,
        "decoder_with_past_model",
        ["input_ids", *past],
        ["logits", *grown],
        any_length,
    )
    return folder


def merge_decoders(export: Path, folder: Path) -> Path:
    """Copy an export with its decoders merged into decoder_model_merged.onnx: branches of one `If`, chosen by `use_cache_branch`."""
    shutil.copytree(export, folder, ignore=shutil.ignore_patterns("decoder*.onnx"))
    first, following = (onnx.load(export / f"{name}.onnx") for name in ("decoder_model", "decoder_with_past_model"))
    outputs = {output.name: output for output in first.graph.output}
    for name in sorted(outputs.keys() - {output.name for output in following.graph.output}):
        # both branches have to give all outputs: what never changes comes back empty
        empty = onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [0, 1, 1, 1], [])
        following.graph.node.append(onnx.helper.make_node("Constant", [], [name], value=empty))
        following.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [0, 1, 1, 1]))
    by_name = {output.name: output for output in following.graph.output}
    inputs = {item.name: item for graph in (first.graph, following.graph) for item in graph.input}
    branches = {
        "else_branch": onnx.helper.make_graph(first.graph.node, "no_past", [], list(outputs.values()), first.graph.initializer),
        "then_branch": onnx.helper.make_graph(
            following.graph.node, "with_past", [], [by_name[name] for name in outputs], following.graph.initializer
        ),
    }
    choice = onnx.helper.make_tensor_value_info("use_cache_branch", onnx.TensorProto.BOOL, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("If", ["use_cache_branch"], list(outputs), **branches)],
        "merged",
        [*inputs.values(), choice],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * (3 if name == "logits" else 4)) for name in outputs],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=first.opset_import, ir_version=9), folder / "decoder_model_merged.onnx")
    return folder


def _export(
    module: nn.Module, inputs: tuple[Tensor, ...], folder: Path, stem: str, takes: list[str], gives: list[str], any_length: bool
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # what it takes for constant are the window and how many layers there are
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            inputs,
            folder / f"{stem}.onnx",
            input_names=takes,
            output_names=gives,
            dynamic_axes={name: _axes(name, any_length) for name in (*takes, *gives)},
            opset_version=_OPSET,
            dynamo=False,
        )


def _axes(name: str, any_length: bool) -> dict[int, str]:
    axes = {0: "batch_size"}
    if name in ("input_ids", "logits"):
        axes[1] = "decoder_sequence_length"
    elif ".decoder." in name:
        axes[2] = "decoder_length" if name.startswith("present") else "past_decoder_sequence_length"
    elif any_length:
        axes[{"last_hidden_state": 1, "encoder_hidden_states": 1}.get(name, 2)] = "frames" if name == "input_features" else "positions"
    return axes
