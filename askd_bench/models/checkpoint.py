"""A transformers checkpoint: found, its configuration read, its weights loaded and checked. Adapters are chosen by that configuration."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import logging as hub_logging
from transformers import AutoConfig, PretrainedConfig
from transformers.utils import logging as transformers_logging

from askd_bench.errors import UserError, unknown_name
from askd_bench.models.bounds import check_documents
from askd_bench.models.names import bundled_models
from askd_bench.models.size import weights_bytes
from askd_bench.signature import ModelCard

_MOST_SAID = 500


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was found and whose configuration could be read.

    Attributes:
        argument: the `--model` argument, for messages.
        source: folder or Hub id.
        revision: of the Hub; None for the newest, and for folders.
        name: of the result directory.
        config: decides the adapter.
        trust_remote_code: whether code in it may run.
    """

    argument: str
    source: str
    revision: str | None
    name: str
    config: PretrainedConfig
    trust_remote_code: bool

    def load_weights(self, model_class: Any, *, spare: str | None = None) -> torch.nn.Module:
        """Return the model with all its weights, in the dtype they are stored in.

        Pickled weights are read by torch with `weights_only`, so that none of their code runs.

        Args:
            model_class: an automatic class of transformers, or the model's own.
            spare: last part of the name of a tensor that only training uses: it may be missing and is then zero, the same every time.

        Raises:
            UserError: files cannot be read, lack tensors, or hold values that are not finite.
        """
        try:
            model, report = model_class.from_pretrained(
                self.source, dtype="auto", use_safetensors=None, ignore_mismatched_sizes=True, output_loading_info=True, **self._where
            )
        except Exception as error:  # the libraries raise anything at all where files are missing, cut, or not what their names say
            raise UserError(f"model: {self.argument!r} cannot be loaded: {one_line(error)}") from error
        self._check(model, report, spare)
        return model  # type: ignore[no-any-return]

    def load_part(self, part_class: Any) -> Any:
        """Return a tokenizer, feature extractor or processor of the checkpoint.

        Raises:
            UserError: it is not there or cannot be read.
        """
        try:
            return part_class.from_pretrained(self.source, **self._where)
        except Exception as error:
            raise UserError(f"model: {self.argument!r} cannot be loaded: {one_line(error)}") from error

    def card(self, stored: torch.nn.Module, *, dtype: torch.dtype, device: torch.device, macs: int | None, **decoding: Any) -> ModelCard:
        """Return the card of a model, with its weights as they are stored (not yet cast)."""
        return ModelCard(
            id=self.name,
            source=self.argument,
            architecture=type(stored).__name__,
            parameters=sum(parameter.numel() for parameter in stored.parameters()),
            weights_bytes=weights_bytes(stored),
            macs_per_second=macs,
            weights_sha256=weights_sha256(stored),
            decoding=decoding,
            dtype=str(dtype).removeprefix("torch."),
            device=device.type,
            threads=torch.get_num_threads(),
        )

    @property
    def _where(self) -> dict[str, Any]:
        return {"revision": self.revision, "trust_remote_code": self.trust_remote_code}

    def _check(self, loaded: torch.nn.Module, report: Mapping[str, Iterable[object]], spare: str | None) -> None:
        """Refuse weights that do not fit the configuration: transformers fills the gaps with random numbers, which must not be scored."""
        unfit = sorted(
            {key if isinstance(key, str) else str(key[0]) for kind in ("missing_keys", "mismatched_keys") for key in report[kind]}  # type: ignore[index]
        )
        for name in [name for name in unfit if name.rpartition(".")[2] == spare]:
            torch.nn.init.zeros_(loaded.get_parameter(name))
            unfit.remove(name)
        if unfit:
            raise UserError(
                f"model: {self.argument!r} lacks {len(unfit)} of the tensors that its config.json asks for, e.g. {unfit[0]} "
                f"(allowed: the weights of a {type(loaded).__name__}, adapters merged)"
            )
        broken = next((name for name, tensor in loaded.state_dict().items() if not torch.isfinite(tensor).all()), None)
        if broken is not None:
            raise UserError(
                f"model: {self.argument!r} holds values in {broken} that are not finite (allowed: numbers; has its training diverged?)"
            )


def open_checkpoint(model: str, *, trust_remote_code: bool = False) -> Checkpoint:
    """Find a checkpoint and read its configuration.

    Args:
        model: a bundled checkpoint's name, a folder, or a Hub id with an optional `@revision`. Only a Hub id is ever fetched.
        trust_remote_code: run code of the checkpoint; a Hub id then needs a commit as its revision.

    Raises:
        UserError: there is none, or its configuration cannot be read.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # says every retry without a network; the error says it once
    source, revision, name = _locate(model)
    if trust_remote_code and not Path(source).is_dir() and not re.fullmatch(r"[0-9a-f]{40}", revision or ""):
        raise UserError(
            f"trust_remote_code: {model!r} does not pin the code that would run (allowed: owner/name@COMMIT, all 40 digits, or a folder)"
        )
    if Path(source).is_dir():
        check_documents(Path(source), argument=f"model: {model!r}")
    try:
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=trust_remote_code)
    except Exception as error:
        raise UserError(f"model: {model!r} has no readable configuration: {one_line(error)}") from error
    return Checkpoint(model, source, revision, name, config, trust_remote_code)


def weights_sha256(model: torch.nn.Module) -> str:
    """Return the digest of all tensors' names, types, shapes and bytes, independent of how files are cut."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())  # flat, since a scalar has no bytes to view
    return digest.hexdigest()


def one_line(error: Exception) -> str:
    """Return an error's message as one line, and of code that comes with a checkpoint what is to be done about it."""
    said = " ".join(str(error).split()) or type(error).__name__
    if "trust_remote_code" in said:
        return "it needs code that comes with it (allowed: `askd-bench run` or `bench` with --trust-remote-code)"
    return said if len(said) <= _MOST_SAID else f"{said[:_MOST_SAID]}..."


def _locate(model: str) -> tuple[str, str | None, str]:
    """Return (folder or Hub id, revision, name for the result directory)."""
    bundled = bundled_models()
    if model in bundled:
        return str(bundled[model]), None, model
    path = Path(model).expanduser()
    if path.is_dir():
        return str(path), None, path.resolve().name
    if path.exists():
        raise UserError(f"model: {model!r} is a file (allowed: a folder with config.json and weights, a bundled name, a Hub id)")
    hub_id, _, revision = model.partition("@")
    if hub_id.count("/") != 1 or model.startswith((".", "/", "~")):
        raise unknown_name("model", model, bundled)
    return hub_id, revision or None, hub_id.replace("/", "--")
