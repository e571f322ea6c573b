"""What users' own code may do and get wrong: each fault is one line that names it, and the example in docs/MODELS.md runs."""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askd_bench.cli import main
from askd_bench.errors import UserError
from askd_bench.models.load import load_transcriber
from askd_bench.types import Transcription, Word

ROOT = Path(__file__).parents[3]
GOOD = """
import dataclasses


@dataclasses.dataclass  # looks its module up in sys.modules
class Recogniser:
    name: str = "loud/one"
    parameters: int = 7
    window_s: float = 20

    def __call__(self, audio, sampling_rate):
        texts = [f"{len(one)} {one.dtype} {sampling_rate} {abs(one).max():.4f}" for one in audio]
        for one in audio:
            one *= 0
        return texts
"""

TOO_MUCH = """
def make():
    def transcribe(audio, sampling_rate):
        if len(audio) > 1:
            raise MemoryError
        return ["a"]

    return transcribe
"""
FAILING = """
def fail():
    raise ValueError("wrong")


def make():
    return lambda audio, sampling_rate: fail()
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)


def written(source: str, name: str = "mine.py") -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return name


def answering(expression: str) -> Any:
    """Return a transcriber whose callable returns an expression of `audio`."""
    return load_transcriber(f"python:{written(f'def make(): return lambda audio, sampling_rate: {expression}')}:make")


def refused(model: str, match: str, **options: Any) -> UserError:
    with pytest.raises(UserError, match=match) as caught:
        load_transcriber(model, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def unusable(expression: str, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        answering(expression).transcribe([np.zeros(160, np.float32)] * 2)
    assert "\n" not in str(caught.value)


def test_a_file_and_what_identifies_it() -> None:
    file = written(GOOD)
    transcriber = load_transcriber(f"python:{file}:Recogniser")
    clips = [np.full(160, 0.25, np.float32), np.full(320, -0.5, np.float32)]
    found = transcriber.transcribe([transcriber.frontend(clip) for clip in clips])
    assert [one.text for one in found if isinstance(one, Transcription)] == ["160 float32 16000 0.2500", "320 float32 16000 0.5000"]
    assert clips[0][0] == 0.25, "what users do to the audio is not heard by other models"
    card = transcriber.card
    assert (card.id, card.parameters, transcriber.window_s) == ("loud--one", 7, 20.0)
    assert card.weights_sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert "not verified" in str(card.decoding["weights"])
    written(GOOD + "#")
    assert load_transcriber(f"python:{file}:Recogniser").card.weights_sha256 != card.weights_sha256


def test_a_module_of_this_folder_and_one_in_a_package() -> None:
    source = "def make(): return lambda audio, sampling_rate: ['yes'] * len(audio)"
    written(source, "recogniser_of_this_folder.py")
    written("", "recogniser_package/__init__.py")
    written(source, "recogniser_package/inner.py")
    for module in ("recogniser_of_this_folder", "recogniser_package.inner"):
        transcriber = load_transcriber(f"python:{module}:make")
        assert (transcriber.card.id, transcriber.card.parameters, transcriber.window_s) == (f"{module}.make", None, None)
        assert transcriber.card.weights_sha256 == hashlib.sha256(source.encode()).hexdigest()
        assert transcriber.transcribe([np.zeros(160, np.float32)]) == [Transcription(text="yes", words=(Word("yes", None),))]


def test_a_file_elsewhere_may_import_its_neighbours() -> None:
    written("TEXT = 'hello'", "there/neighbour_of_mine.py")
    written("import neighbour_of_mine as n\ndef make(): return lambda audio, rate: [n.TEXT] * len(audio)", "there/mine.py")
    transcriber = load_transcriber("python:there/mine.py:make")
    assert transcriber.card.id == "mine.make"
    assert transcriber.transcribe([np.zeros(160, np.float32)])[0] == Transcription(text="hello", words=(Word("hello", None),))


def test_answers_with_confidences() -> None:
    answer = {"text": "good  day", "words": [["good", 0.5], ("day", None)], "token_logprobs": [-0.5, -0.25, -1], "word_tokens": [1, 2]}
    expected = Transcription(
        text="good  day", words=(Word("good", 0.5), Word("day", None)), word_tokens=(1, 2), token_logprobs=(-0.5, -0.25, -1.0)
    )
    assert answering(f"[{answer!r}]").transcribe([np.zeros(160, np.float32)]) == [expected]
    numbers = "[{'text': 'a', 'words': [('a', __import__('numpy').float32(0.5))], 'token_logprobs': __import__('torch').tensor([-1.0])}]"
    [found] = answering(numbers).transcribe([np.zeros(160, np.float32)])
    assert found == Transcription(text="a", words=(Word("a", 0.5),), token_logprobs=(-1.0,))
    assert all(type(value) is float for value in (found.words[0].confidence, found.token_logprobs[0])), "they are to be written as JSON"


@pytest.mark.parametrize(
    ("expression", "match"),
    [
        ("None", "returned 'NoneType' .allowed: a list"),
        ("'text'", "returned 'str'"),
        ("['a']", "returned 1 answers to 2 clips"),
        ("[]", "returned 0 answers to 2 clips"),
        ("['a', None]", r"returned answers\[1\] whose text is None"),
        ("['a', b'b']", r"answers\[1\] whose text is b'b'"),
        ("['a', 'half \\ud800']", r"answers\[1\] whose text is .* halves of characters"),
        ("['a', {}]", r"answers\[1\] whose keys are  .allowed: text"),
        ("['a', {'text': 'b', 'confidence': 1}]", r"whose keys are text, confidence .allowed: text, and perhaps words"),
        ("['a', {'text': 3}]", "whose text is 3"),
        ("['a', {'text': 'b c', 'words': [['b', 1]]}]", "whose words are 'b', but the text is 'b c'"),
        ("['a', {'text': 'b', 'words': [['b', 1.5]]}]", r"whose words\[0\] is \['b', 1.5\]"),
        ("['a', {'text': 'b', 'words': [['b', 'high']]}]", r"whose words\[0\] is"),
        ("['a', {'text': 'b', 'words': [['b', float('nan')]]}]", r"whose words\[0\] is"),
        ("['a', {'text': 'b', 'words': ['b']}]", r"whose words\[0\] is 'b' .allowed: \[text, confidence\]"),
        ("['a', {'text': 'b', 'words': 'b'}]", "whose words is 'b' .allowed: a list"),
        ("['a', {'text': 'b', 'token_logprobs': [0.5]}]", r"whose token_logprobs\[0\] is 0.5 .allowed: finite numbers up to 0"),
        ("['a', {'text': 'b', 'token_logprobs': [float('-inf')]}]", r"whose token_logprobs\[0\] is -inf"),
        ("['a', {'text': 'b', 'token_logprobs': -1}]", "whose token_logprobs is -1 .allowed: a list"),
        (
            "['a', {'text': 'b', 'token_logprobs': [-1, -1], 'word_tokens': [1]}]",
            "are 1 numbers with sum 1, of 1 words and 2 token_logprobs",
        ),
        ("['a', {'text': 'b', 'token_logprobs': [-1], 'word_tokens': [0.5, 0.5]}]", "whose word_tokens are 2 numbers"),
    ],
)
def test_answers_that_are_unusable(expression: str, match: str) -> None:
    unusable(expression, match)


def test_exceptions_of_the_users_code_say_where_and_are_chained() -> None:
    file = written("def make():\n    def transcribe(audio, sampling_rate):\n        return {}['a\\nb']\n    return transcribe\n")
    transcriber = load_transcriber(f"python:{file}:make")
    with pytest.raises(UserError, match=r"python:mine.py:make' raised KeyError: .* .line 3 of mine.py; ASKD_BENCH_TRACEBACK=1") as caught:
        transcriber.transcribe([np.zeros(160, np.float32)])
    assert isinstance(caught.value.__cause__, KeyError)
    assert "\n" not in str(caught.value)


def test_too_little_memory_is_told_to_the_engine_which_halves_the_batch() -> None:
    with pytest.raises(MemoryError):
        load_transcriber(f"python:{written(TOO_MUCH)}:make").transcribe([np.zeros(160, np.float32)] * 2)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("def make(): return 1 / 0", "raised ZeroDivisionError: division by zero .line 1 of mine.py"),
        ("def make(folder): pass", r"raised TypeError: make\(\) missing 1 required"),
        ("def make(): pass", "gave 'NoneType' .allowed: something to call"),
        ("def mke(): pass\nx = 1", "factory: 'make' is unknown; did you mean 'mke'. .allowed: mke"),
        ("import no_such_package", "raised ModuleNotFoundError: No module named 'no_such_package' .line 1 of mine.py"),
        ("def make(:", "raised SyntaxError: .*mine.py, line 1"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("def make(): pass\nmake = lambda: print\nprint.name = 1", "raised AttributeError"),
    ],
)
def test_modules_that_do_not_work(source: str, match: str) -> None:
    refused(f"python:{written(source)}:make", match)


@pytest.mark.parametrize(
    ("attribute", "match"),
    [
        ("name = ' '", "has name = ' ' .allowed: a name"),
        ("name = 3", "has name = 3"),
        ("parameters = 'many'", "has parameters = 'many' .allowed: a whole number above 0"),
        ("parameters = 0", "has parameters = 0"),
        ("window_s = -1", "has window_s = -1 .allowed: seconds, above 0"),
        ("window_s = True", "has window_s = True"),
    ],
)
def test_attributes_that_are_unusable(attribute: str, match: str) -> None:
    source = f"class Make:\n    {attribute}\n    def __call__(self): pass\n"
    refused(f"python:{written(source)}:Make", match)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        ("python:", "names no factory .allowed: python:module:factory"),
        ("python:module", "names no factory"),
        ("python:module:", "names no factory"),
        ("python:no_such_module:make", "there is no module 'no_such_module'"),
        ("python:no_such_package.inner:make", "there is no module 'no_such_package'"),
        ("python:a..b:make", "names no module"),
        ("python:absent.py:make", "'absent.py' does not exist"),
        ("python:sys:exit", "'sys' is not in a file"),
    ],
)
def test_arguments_that_name_nothing(model: str, match: str) -> None:
    refused(model, match)


def test_options_that_a_callable_cannot_be_told() -> None:
    for option, value in {"dtype": "float16", "language": "de", "num_beams": 5, "threads": 2, "audio_context": "64"}.items():
        refused(f"python:{written(GOOD)}:Recogniser", f"{option}: .* cannot be set for python:", **{option: value})


@pytest.mark.parametrize("asked", [False, True])
def test_the_command_line_shows_the_traceback_on_request(
    asked: bool, small_corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASKD_BENCH_TRACEBACK", "1" if asked else "")
    options = {"model": f"python:{written(FAILING)}:make", "corpus": small_corpus, "conditions": "clean", "workers": 0}
    monkeypatch.setattr(sys, "argv", ["askd-bench", "run", *(f"--{name}={value}" for name, value in options.items())])
    with pytest.raises(SystemExit, match="2"):
        main()
    said = capsys.readouterr().err
    assert said.strip().splitlines()[-1].startswith("error: model: 'python:mine.py:make' raised ValueError: wrong (line 3 of mine.py")
    assert ("Traceback" in said) == ('mine.py", line 3, in fail' in said) == asked


def test_the_example_in_the_documentation_gives_what_the_adapter_of_the_same_checkpoint_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: list[Any], transcriptions: list[Transcription], transcriber: Any
) -> None:
    page = (ROOT / "docs" / "MODELS.md").read_text(encoding="utf-8")
    [(name, source)] = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page, re.DOTALL)
    [factory] = set(re.findall(rf"--model python:{name}:(\w+)", page))
    written(source, str(tmp_path / name))
    monkeypatch.chdir(ROOT)
    example = load_transcriber(f"python:{tmp_path / name}:{factory}")
    assert (example.card.parameters, example.window_s) == (transcriber.card.parameters, 30.0)
    for one, ours in zip(example.transcribe(clips[:4]), transcriptions[:4], strict=True):
        assert isinstance(one, Transcription)
        assert one.text == ours.text != ""
        assert len(one.token_logprobs) >= len(ours.token_logprobs) > 0
        for value in ours.token_logprobs:
            assert min(abs(value - theirs) for theirs in one.token_logprobs) < 1e-3, "ours are theirs without punctuation"
