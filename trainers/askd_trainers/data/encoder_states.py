"""States of a frozen encoder, computed once: fp16 files on disk, one a clip, addressed by what they were computed from.

A frozen encoder gives the same states in every epoch, for every arm and every seed. The states are rounded to fp16 whether they come from
the cache or not, and on a CPU clips are encoded one by one, so that a run gives the same numbers with the cache, without it, and with a
cache that was full half way.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from askd_bench.types import Samples

FORMAT = 1
"""To be raised when the same clip would give other states, so that old ones are not taken for new."""

Frontend = Callable[[Samples], NDArray[np.float32]]


class StateCache:
    """A folder of fp16 arrays, bounded in size, safe for several processes at once.

    Args:
        folder: made when needed.
        limit_bytes: nothing is added beyond it.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._used = sum(file.stat().st_size for file in folder.rglob("*.npy")) if folder.is_dir() else 0

    def get(self, key: str) -> NDArray[np.float16] | None:
        """Return the array stored under `key`, mapped from disk, or None."""
        try:
            array: NDArray[np.float16] = np.load(self._path(key), mmap_mode="r")
        except (OSError, ValueError, EOFError):  # absent or damaged
            return None
        return array

    def put(self, key: str, array: NDArray[np.float16]) -> bool:
        """Store `array` under `key` whole or not at all; return whether there was room."""
        if self._used + array.nbytes > self.limit_bytes:
            return False
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.save(file, array)
            os.replace(temporary, path)
        except OSError:  # a full disk: the cache is a convenience, the run goes on without
            Path(temporary).unlink(missing_ok=True)
            self._used = self.limit_bytes
            return False
        self._used += array.nbytes
        return True

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"


class FrozenEncoder:
    """An encoder that is not trained, its front end, and perhaps a cache.

    Args:
        encoder: takes features (batch, bins, frames), returns an object with `last_hidden_state` (batch, states, d_model).
        frontend: audio to features (bins, frames).
        cache: None computes each time.
        bf16: compute in bfloat16 where the operation allows.
    """

    def __init__(self, encoder: nn.Module, frontend: Frontend, cache: StateCache | None, *, bf16: bool) -> None:
        self.encoder = encoder
        self.frontend = frontend
        self.cache = cache
        self.bf16 = bf16
        digest = hashlib.sha256(repr((FORMAT, bf16, getattr(frontend, "window_samples", None))).encode())
        for name, tensor in sorted(encoder.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().numpy().tobytes())
        self.fingerprint = digest.hexdigest()

    def key(self, audio_key: str) -> str:
        """Return the address of the states of one clip."""
        return hashlib.sha256(f"{self.fingerprint} {audio_key}".encode()).hexdigest()

    def cached(self, audio_key: str) -> NDArray[np.float16] | None:
        """Return the stored states of a clip, shape (states, d_model), or None."""
        return None if self.cache is None else self.cache.get(self.key(audio_key))

    @torch.no_grad()
    def encode(self, features: Tensor) -> Tensor:
        """Return the states of features (batch, bins, frames) as float16 (batch, states, d_model)."""
        self.encoder.eval()
        device = features.device
        clips = torch.split(features, 1) if device.type == "cpu" else (features,)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            states = [self.encoder(clip).last_hidden_state for clip in clips]
        return torch.cat(states).to(torch.float16)

    def complete(self, batch: dict[str, Tensor]) -> Tensor:
        """Return float32 states (batch, states, d_model): those that came from the cache, the others computed from `features`."""
        states, features, missing = batch.get("states"), batch.get("features"), batch.get("missing")
        if features is None:
            assert states is not None
            return states.float()
        fresh = self.encode(features)
        if states is None or missing is None:
            return fresh.float()
        joined = fresh.new_empty((len(missing), *fresh.shape[1:]))
        joined[missing], joined[~missing] = fresh, states
        return joined.float()

    def store(self, audio_key: str, samples: Samples) -> bool:
        """Encode a clip and put it into the cache unless it is there; return False when there is no room (or no cache)."""
        if self.cache is None:
            return False
        if self.cached(audio_key) is not None:
            return True
        device = next(self.encoder.parameters()).device
        states = self.encode(torch.from_numpy(self.frontend(samples))[None].to(device))
        return self.cache.put(self.key(audio_key), states[0].cpu().numpy())
