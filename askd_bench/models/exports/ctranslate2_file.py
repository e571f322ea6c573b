"""What the model.bin of a CTranslate2 export holds: the shapes and types of its variables, read without loading it."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from transformers import WhisperConfig

_FORMAT = 6
_DTYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Variable:
    """Shape, type and bytes of a variable."""

    shape: tuple[int, ...]
    dtype: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model.bin.

    Attributes:
        specification: what its weights are laid out by, e.g. "WhisperSpec".
        variables: by name.
        aliases: name -> the variable that equals it and stands for it.
    """

    specification: str
    variables: dict[str, Variable]
    aliases: dict[str, str]

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a variable.

        Raises:
            LookupError: there is none of that name.
        """
        return self.variables[self.aliases.get(name, name)].shape

    @property
    def weights_bytes(self) -> int:
        """Bytes of all variables."""
        return sum(variable.num_bytes for variable in self.variables.values())

    @property
    def weights_dtype(self) -> str:
        """The type that most bytes of weights are stored in."""
        shares: dict[str, int] = {}
        for variable in self.variables.values():
            shares[variable.dtype] = shares.get(variable.dtype, 0) + variable.num_bytes
        return max(shares, key=lambda dtype: shares[dtype])


def read_model_file(path: Path) -> ModelFile:
    """Read the header of every variable.

    Raises:
        ValueError: the file is not a CTranslate2 model, of another version of the format, or cut.

    Source: `ModelSpec._serialize` in https://github.com/OpenNMT/CTranslate2/blob/v4.6.0/python/ctranslate2/specs/model_spec.py; format 6
    has been written since 2022.
    """
    size = path.stat().st_size
    variables = {}
    with path.open("rb") as file:
        try:
            if (version := _number(file, "I")) != _FORMAT:
                raise ValueError(f"{path.name} is not a CTranslate2 model of format {_FORMAT} (its first number is {version})")
            specification = _string(file)
            _number(file, "I")
            for _ in range(_number(file, "I")):
                name = _string(file)
                shape = tuple(_number(file, "I") for _ in range(_number(file, "B")))
                dtype, num_bytes = _DTYPES[_number(file, "B")], _number(file, "I")
                variables[name] = Variable(shape, dtype, num_bytes)
                if file.seek(num_bytes, 1) > size:
                    raise ValueError(f"{path.name} is cut: {name} lies beyond its end")
            aliases = {_string(file): _string(file) for _ in range(_number(file, "I"))}
        except (struct.error, IndexError, UnicodeDecodeError):
            raise ValueError(f"{path.name} is cut or not a CTranslate2 model") from None
    return ModelFile(specification, variables, aliases)


def whisper_config(model: ModelFile) -> WhisperConfig:
    """Return the architecture that the shapes of a Whisper export tell of; the number of heads, which no shape tells, is left out.

    Raises:
        ValueError, LookupError: it is no Whisper export, or lacks a variable.
    """
    if model.specification != "WhisperSpec":
        raise ValueError(f"its weights are laid out as {model.specification}, not as WhisperSpec")
    vocabulary, d_model = model.shape("decoder/embeddings/weight")
    return WhisperConfig(
        vocab_size=vocabulary,
        d_model=d_model,
        num_mel_bins=model.shape("encoder/conv1/weight")[1],
        max_source_positions=model.shape("encoder/position_encodings/encodings")[0],
        max_target_positions=model.shape("decoder/position_encodings/encodings")[0],
        tie_word_embeddings="decoder/projection/weight" in model.aliases,
        **{f"{part}_layers": _layers(model, part) for part in ("encoder", "decoder")},
        **{f"{part}_ffn_dim": model.shape(f"{part}/layer_0/ffn/linear_0/weight")[0] for part in ("encoder", "decoder")},
        **{f"{part}_attention_heads": 1 for part in ("encoder", "decoder")},
    )


def _layers(model: ModelFile, part: str) -> int:
    names = (re.match(rf"{part}/layer_(\d+)/", name) for name in (*model.variables, *model.aliases))
    return 1 + max(int(found[1]) for found in names if found)


def _number(file: IO[bytes], kind: str) -> int:
    [number] = struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))
    return int(number)


def _string(file: IO[bytes]) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()
