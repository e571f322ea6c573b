"""A row is written as one line and reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askd_bench.errors import UserError
from askd_bench.rows import row_from_json, row_to_json
from askd_bench.types import Row, Word

texts = st.text(max_size=20)
finite = st.floats(-1e6, 1e6)
shares = st.floats(0, 1)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    words = tuple(Word(draw(texts), draw(st.none() | shares)) for _ in range(draw(st.integers(0, 3))))
    logprobs = tuple(draw(st.lists(finite, max_size=4)))
    return Row(
        condition=draw(texts),
        utterance=draw(texts),
        reference=draw(texts),
        hypothesis=draw(st.none() | texts),
        duration_s=draw(st.floats(0, 2000)),
        speaker=draw(st.none() | texts),
        words=words,
        word_tokens=tuple(draw(st.lists(st.integers(0, 9), max_size=3))),
        token_logprobs=logprobs,
        tempered_logprobs=dict.fromkeys(draw(st.sets(st.sampled_from([4.0, 1.3333, 0.8]))), logprobs),
        realised=draw(st.dictionaries(texts, st.none() | finite | st.integers(-9, 9) | texts, max_size=3)),
        decode_s=draw(st.none() | shares),
        error=draw(st.none() | texts),
    )


@given(rows())
def test_a_row_is_one_line_that_reads_back_and_writes_the_same(row: Row) -> None:
    line = row_to_json(row)
    assert len(line.splitlines()) == 1 or not any(separator in line for separator in "\r\n")
    back = row_from_json(line)
    assert row_to_json(back) == line
    assert (back.condition, back.utterance, back.reference, back.hypothesis, back.error) == (
        row.condition,
        row.utterance,
        row.reference,
        row.hypothesis,
        row.error,
    )
    assert back.token_logprobs == pytest.approx(row.token_logprobs, abs=5.1e-6)
    assert set(back.tempered_logprobs) == set(row.tempered_logprobs)
    assert [word.text for word in back.words] == [word.text for word in row.words]


def test_what_is_no_number_is_never_written() -> None:
    row = Row(condition="c", utterance="u", reference="r", hypothesis="h", duration_s=1.0, token_logprobs=(float("nan"),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        row_to_json(row)


@pytest.mark.parametrize("line", ["", "{", "[]", "3", "null", '{"condition":"c"}', '{"words":[["a"]]}', '{"unknown":1}', "\0\0"])
def test_what_is_no_row_is_told_in_one_line(line: str) -> None:
    with pytest.raises(UserError, match="not a row of schema 1") as caught:
        row_from_json(line)
    assert "\n" not in str(caught.value)
