"""Whatever a file holds, reading it ends in a value of the type or in one printable line; writing leaves the whole or nothing new."""

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from askd_bench import files
from askd_bench.compression import SUFFIXES
from askd_bench.errors import UserError
from askd_bench.files import (
    Document,
    Number,
    Text,
    Whole,
    parse_json,
    read_json,
    read_toml,
    write_json,
    write_together,
    write_whole,
    writing,
)


class Inner(Document):
    a: Whole
    b: tuple[Number, ...] = ()


class Outer(Document):
    name: Text
    inner: Inner
    more: tuple[Inner, ...] = ()
    by: dict[Text, Inner] = Field(default_factory=dict)


WHOLE = {"name": "x", "inner": {"a": 1, "b": [1, 2.5]}, "more": [{"a": 2}], "by": {"k": {"a": 3}}}
HOSTILE = {
    "nothing": (b"", "not valid JSON: EOF"),
    "cut": (b'{"name":', "not valid JSON: EOF"),
    "not UTF-8": (b'{"name":"\xff"}', "not valid JSON: "),
    "control characters": (b'{"name":"\x1b[2J"}', "not valid JSON: "),
    "another type": (b"[]", "Input should be an object"),
    "a number of digits": (b'{"name":"x","inner":{"a":' + b"9" * 10**6 + b"}}", "not valid JSON: number out of range"),
    "no whole number": (b'{"name":"x","inner":{"a":1e400}}', "inner.a: "),
    "a large number": (b'{"name":"x","inner":{"a":9007199254740993}}', "inner.a: .*less than or equal to"),
    "no number": (b'{"name":"x","inner":{"a":1,"b":[NaN]}}', "inner.b.0: "),
    "a text for a number": (b'{"name":"x","inner":{"a":"1"}}', r"inner.a: Input should be a valid integer \(got '1'\)"),
    "an unknown key": (b'{"name":"x","inner":{"a":1,"bb":1}}', r"key inner.bb: 'bb' is unknown.*\(allowed: a, b\)"),
    "an unknown key in a list": (b'{"name":"x","inner":{"a":1},"more":[{"a":1,"c":1}]}', r"key more.0.c: 'c' is unknown \(allowed: a, b\)"),
    "a missing key": (b'{"name":"x"}', "inner: is missing"),
    "an escape for a key": (b'{"name":"x","inner":{"a":1},"\\u001b[2J\\n":1}', r"key \\x1b\[2J\\n: "),
    "a long key": (b'{"name":"x","inner":{"a":1},"' + b"k" * 10**6 + b'":1}', "key kkk"),
    "deep nesting": (b"[" * 10**6, "not valid JSON: recursion limit exceeded"),
    "deep nesting and half a surrogate pair": (b'["\\ud800",' + b"[" * 10**6, "not valid JSON: "),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_does_not_fit_is_one_short_printable_line(case: str, tmp_path: Path) -> None:
    content, said = HOSTILE[case]
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(UserError, match=f"^result: .*f.json: {said}") as refused:
        read_json(tmp_path / "f.json", Outer, argument="result")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_value_or_one_line(content: bytes) -> None:
    for kind in (Outer, dict[str, object], list[float], str):
        with suppress(UserError):
            parse_json(content, kind, where="w")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
def test_any_json_is_a_value_or_one_line(content: object) -> None:
    for inner in (content, {"name": "x", "inner": content}, WHOLE | {"by": content}):
        with suppress(UserError):
            parse_json(json.dumps(inner).encode(), Outer, where="w")


@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
@pytest.mark.parametrize("name", ["x", "é", "\ud800", "a \udfff b"])
def test_what_is_written_reads_back(suffix: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"f.json{suffix}"
    write_json(path, WHOLE | {"name": name, "by": {name: {"a": 3}}})
    assert read_json(path, Outer, argument="result") == Outer(
        name=name, inner=Inner(a=1, b=(1.0, 2.5)), more=(Inner(a=2),), by={name: Inner(a=3)}
    )
    first = path.read_bytes()
    write_json(path, WHOLE | {"name": name, "by": {name: {"a": 3}}})
    assert path.read_bytes() == first


def test_toml_is_read_by_the_same_rules(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text('name = "x"\n[inner]\na = 1\nb = [1, 2.5]\n[[more]]\na = 2\n[by.k]\na = 3\n')
    assert read_toml(path, Outer, argument="suite") == parse_json(json.dumps(WHOLE).encode(), Outer, where="w")
    for content, said in (
        (b"name = ", "not valid TOML: "),
        (b"\xff", "not UTF-8 text: "),
        (b"x = " + b"[" * 100_000, "not valid TOML: "),
        (b"name = 'x'\ninner.a = '1'", r"inner.a: Input should be a valid integer \(got '1'\)"),
        (b"name = 'x'\ninner.a = 2000-01-01", "inner.a: "),
        (b"name = 'x'\ninner.a = 1\ninner.b = [nan]", "inner.b.0: "),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"^suite: .*f.toml: {said}") as refused:
            read_toml(path, Outer, argument="suite")
        assert str(refused.value).isprintable()


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("pipe", "is not a file"), (".", "is not a file"), ("absent", "cannot be read: No such file")):
        with pytest.raises(UserError, match=f"^result: .*{said}"):
            read_json(tmp_path / name, Outer, argument="result")
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    write_json(tmp_path / "large.json.bz2", {"name": "x" * 10**6})
    assert (tmp_path / "large.json.bz2").stat().st_size < 1000
    with pytest.raises(UserError, match="holds more than 0 MiB"):
        read_json(tmp_path / "large.json.bz2", Outer, argument="result")


def test_a_failure_leaves_every_file_as_it_was_and_nothing_besides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a", b"old")
    with pytest.raises(UserError, match=r"^out: .*absent/b' cannot be written: No such file or directory$"):
        write_together({tmp_path / "a": b"new", tmp_path / "absent" / "b": b"new"}, argument="out")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"^output: .*a' cannot be written: No space left on device$"):
        write_whole(tmp_path / "a", b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a", b"old")]


def test_links_are_replaced_and_never_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_bytes(b"precious")
    for name in ("summary.json", "summary.json.tmp", ".summary.json.tmp"):
        (tmp_path / name).symlink_to(mine)
    write_whole(tmp_path / "summary.json", b"new")
    assert (tmp_path / "summary.json").read_bytes() == b"new"
    assert mine.read_bytes() == b"precious"


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_whole(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_stream_takes_its_place_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"before")
    with suppress(KeyError), writing(path) as out:
        out.write(b"half")
        raise KeyError
    assert path.read_bytes() == b"before"
    with writing(path) as out:
        out.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]
