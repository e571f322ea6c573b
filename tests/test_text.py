import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

from askd_bench.errors import UserError
from askd_bench.text import NORMALISERS, _build, normaliser
from askd_bench.text.whisper import openai_english

CORPORA = Path(__file__).resolve().parents[1] / "suites" / "corpora"

TRAPS = (
    "twenty five, 20 five, one oh one, nineteen ninety-nine, two and a half, point five",
    "double oh seven, five percent, £3 million, $5.20, 50 ¢",
    "won't can't let's ain't y'all wanna gotta gonna i'ma imma woulda coulda shoulda ma'am",
    "kinda sorta dunno 'cause because",
    "Mr. Mrs. St. Dr. Prof. Capt. Gov. Jr. Sr. Esq. Lt. Col.",
    "he'd been, she's gone, it's done, I've, you'll, they're, I'm, don't, o'clock, John's",
    "[laughs] (sighs) <unk> um uh mhm hmm",
    "colour centre analyse archaeology travelogue grey café naïve Œuvre ß",
    "3.5 1,000 10:30 A.M. the 3rd, 1990s",
    "a b c B B C wi-fi e-mail",
    "",
    "   ",
)


def corpus_texts() -> list[str]:
    return [
        json.loads(line)["text"]
        for path in sorted(CORPORA.glob("*/manifest.jsonl"))
        for line in path.read_text().splitlines()
        if line.strip()
    ]


def shuffled_traps(n: int = 1_500) -> list[str]:
    words = " ".join(TRAPS).split()
    rng = random.Random(0)
    return [" ".join(rng.choice(words) for _ in range(rng.randint(1, 9))) for _ in range(n)]


def test_english_equals_transformers_on_traps_and_corpora() -> None:
    """The spelling table is the package's own: it is OpenAI's file."""
    ours = openai_english()
    theirs = EnglishTextNormalizer(ours.standardize_spellings.mapping)
    for text in (*TRAPS, *corpus_texts(), *shuffled_traps()):
        assert ours(text) == theirs(text), text


def test_only_ellipses_set_ours_apart() -> None:
    whisper = openai_english()
    for text in (*TRAPS, *corpus_texts(), *shuffled_traps()):
        if ".." not in text and "…" not in text:
            assert normaliser("whisper-english")(text).split() == [word for word in whisper(text).split() if word.strip(".")], text


def test_basic_equals_transformers() -> None:
    theirs = BasicTextNormalizer()
    for text in (*TRAPS, *corpus_texts()):
        assert normaliser("whisper-basic")(text) == " ".join(theirs(text).split()), text


@pytest.mark.parametrize("text", ["Wait... what", "Wait…", "... well", "so ... it goes . . ", "He said. .. then", "3... 2... 1..."])
def test_ellipses_leave_no_stray_period(text: str) -> None:
    assert "." not in normaliser("whisper-english")(text).split()


def test_decimals_survive() -> None:
    assert normaliser("whisper-english")("It is 3.5 degrees.") == "it is 3.5 degrees"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the B B C", "the bbc"),
        ("five G", "5g"),
        ("a big cat", "a big cat"),
        ("I a", "i a"),
        ("a I x", "aix"),
        ("wi-fi and e-mail", "wifi and email"),
        ("ah huh yes", "yes"),
        ("John's dog", "john s dog"),
        ("it's here", "it is here"),
        ("O.K. fine", "okay fine"),
        ("ok", "okay"),
        ("Bryan and Katherine", "brian and catherine"),
        ("archaeology", "archeology"),
        ("10 a.m.", "10 am"),
    ],
)
def test_open_asr_differences(text: str, expected: str) -> None:
    assert normaliser("open-asr")(text) == expected


def test_open_asr_is_whisper_where_no_rule_differs() -> None:
    text = "Mister Smith can't pay twenty-five dollars for the grey centre"
    assert normaliser("open-asr")(text) == normaliser("whisper-english")(text)


def test_none_keeps_everything_but_white_space() -> None:
    assert normaliser("none")("\tHe said: [“No!”] \n") == "He said: [“No!”]"


@pytest.mark.parametrize("name", NORMALISERS)
@settings(max_examples=40)
@given(text=st.text(max_size=60))
def test_output_is_tidy(name: str, text: str) -> None:
    out = normaliser(name)(text)
    assert out == " ".join(out.split())


def test_one_object_per_name() -> None:
    assert normaliser("whisper-english") is normaliser("whisper-english")
    # building one variant must not change another
    texts = [f"John's B B C, {number} times" for number in (3, 4)]
    before = normaliser("whisper-english")(texts[0])
    _build("open-asr")
    assert normaliser("whisper-english")(texts[1]).replace("4", "3") == before == "john is b b c 3 times"


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UserError, match="normalizer: 'wisper-english' is unknown; did you mean 'whisper-english'"):
        normaliser("wisper-english")
