"""The options of a run, each written once: type, default, what is allowed, and the text of `--help`. The command line is made of these."""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from askd_bench.arguments import Several, StrPath, flag_of, names_of, one_of, path_of, text_of, whole_number_of, wrong_type
from askd_bench.errors import UserError, unknown_name
from askd_bench.text import DEFAULT_NORMALISER

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Task = Literal["transcribe", "translate"]
Reported = Literal["test", "dev"]
Executor = Literal["local", "ray"]

FULL = "full"
"""The `audio_context` of the whole window, whatever the checkpoint says."""


@dataclass(frozen=True, slots=True)
class About:
    """What annotates an option.

    Attributes:
        read: (name, what was given) -> the value; raises `UserError` where it is not allowed. None is allowed where it is the default.
        help: what `--help` says.
    """

    read: Callable[[str, Any], Any]
    help: str


def about(option: "Field[Any]") -> About:
    """Return what annotates a field of `Options`."""
    found: About = get_args(option.type)[1]
    return found


def _several(name: str, value: object) -> tuple[str, ...]:
    return tuple(names_of(name, value))


def _among(names: Any) -> Callable[[str, Any], str]:
    return lambda name, value: one_of(name, value, get_args(names))


def _at_least(least: int, allowed: str = "") -> Callable[[str, Any], int]:
    return lambda name, value: whole_number_of(name, value, least=least, allowed=allowed)


def _margin(name: str, value: object) -> str:
    text = str(value)
    if text != FULL and not (text.isascii() and text.isdecimal()):
        raise UserError(f"{name}: {value!r} is out of range (allowed: a whole number, 0 or more, of positions as margin; or {FULL})")
    return text


@dataclass(frozen=True, kw_only=True)
class Options:
    """Fields that are checked, and brought to one form, when they are set.

    Raises:
        UserError: one is of another type, or out of range.
    """

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if value is not None or option.default is not None:
                object.__setattr__(self, option.name, about(option).read(option.name, value))

    @classmethod
    def of(cls, options: "Options | None", changes: Mapping[str, Any]) -> Self:
        """Return options with changes; None for the defaults.

        Raises:
            UserError: there is no option of a name, or a value is not allowed.
        """
        names = [option.name for option in fields(cls)]
        for name in changes:
            if name not in names:
                raise unknown_name("option", name, names)
        if options is None:
            return cls(**changes)
        if not isinstance(options, cls):
            raise wrong_type("options", options, cls.__name__)
        return replace(options, **changes)


@dataclass(frozen=True, kw_only=True)
class ModelOptions(Options):
    """How a model is to be run; an adapter refuses what its runtime cannot do."""

    dtype: Annotated[Dtype, About(_among(Dtype), "auto (says what it chose and why), float32, bfloat16 or float16.")] = "auto"
    device: Annotated[str, About(text_of, "auto, cpu, cuda, cuda:N or mps.")] = "auto"
    threads: Annotated[int | None, About(_at_least(1), "CPU threads of the model. [default: all cores]")] = None
    language: Annotated[str, About(text_of, "Spoken language, for multilingual models.")] = "en"
    task: Annotated[Task, About(_among(Task), "transcribe or translate.")] = "transcribe"
    num_beams: Annotated[int, About(_at_least(1), "1 is greedy, with confidences; more beams give text alone.")] = 1
    audio_context: Annotated[
        str | int | None,
        About(_margin, "Of Whisper's encoder: positions beyond the clip's own, 50 a second; or full. [default: the checkpoint's]"),
    ] = None
    trust_remote_code: Annotated[bool, About(flag_of, "Run code that comes with the model; a Hub id then needs @COMMIT.")] = False

    def must_be_default(self, *names: str, model: str) -> None:
        """Refuse options that a kind of model does not take.

        Args:
            names: of the options.
            model: the kind, for the message, e.g. "a CTC model".

        Raises:
            UserError: one of them has another value than its default.
        """
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name in names and value != option.default:
                raise UserError(f"{option.name}: {value!r} cannot be set for {model} (allowed: {option.default!r})")


@dataclass(frozen=True, kw_only=True)
class SpeechOptions(Options):
    """Which speech, under which conditions; what `run` and `render` share."""

    corpus: Annotated[
        Several | None,
        About(
            _several,
            "Name, manifest.jsonl, Lhotse's cuts.jsonl.gz, folder (Kaldi's too), or hub:ID[@revision][:config][:split]; "
            "may be repeated. [default: the suite's]",
        ),
    ] = None
    conditions: Annotated[
        Several | None,
        About(_several, "Ids, globs (babble-*) or sub-grids (@srb); may be repeated. [default: the suite's short grid]"),
    ] = None
    full: Annotated[bool, About(flag_of, "Every condition, every utterance.")] = False
    limit: Annotated[
        int | None,
        About(
            _at_least(0, "1 or more, or 0 for all"),
            "Utterances per corpus, a seeded sample over speakers; 0 for all. [default: the suite's]",
        ),
    ] = None
    split: Annotated[Reported, About(_among(Reported), "test: what is reported; dev: for choosing settings.")] = "test"
    noise_dir: Annotated[StrPath | None, About(path_of, "Your own noise recordings, for conditions that use a folder.")] = None
    workers: Annotated[int | None, About(_at_least(0), "Processes that render audio; 0 for none. [default: one per four cores]")] = None


@dataclass(frozen=True, kw_only=True)
class RunOptions(ModelOptions, SpeechOptions):
    """All options of `run` but the suite and the models.

    Raises:
        UserError: one is of another type, out of range, or of no use beside another.
    """

    output: Annotated[StrPath, About(path_of, "Where results go: <output>/<model>/<suite>-v<version>/<corpus>/.")] = Path("results")
    batch_size: Annotated[int, About(_at_least(1), "Clips decoded together; halved where they are too many for memory.")] = 16
    shard: Annotated[str | None, About(text_of, "i/n, e.g. 3/8: only that part of the work; `merge` joins all parts.")] = None
    executor: Annotated[Executor, About(_among(Executor), "local, or ray: an actor for each --threads cores of a Ray cluster.")] = "local"
    address: Annotated[str | None, About(text_of, "The Ray cluster's, e.g. auto. [default: one is started on this machine]")] = None
    normalizer: Annotated[str, About(text_of, "Text normaliser of the summary.")] = DEFAULT_NORMALISER
    overwrite: Annotated[bool, About(flag_of, "Discard another run's results that are in the way.")] = False

    @property
    def of_model(self) -> ModelOptions:
        """Those that a model is loaded with."""
        return ModelOptions(**{option.name: getattr(self, option.name) for option in fields(ModelOptions)})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.executor == "ray" and self.workers is not None:
            raise UserError(
                f"workers: {self.workers} cannot be combined with executor ray (allowed: leave it out; its actors render themselves)"
            )
        if self.executor != "ray" and self.address is not None:
            raise UserError(
                f"address: {self.address!r} is of no use to executor {self.executor} (allowed: leave it out, or --executor ray)"
            )
