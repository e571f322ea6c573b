"""A shard: one of n consecutive parts of a run's plan, done by a process of its own into a directory of its own, for `merge` to join.

A shard's directory is `<output>/<model>/<suite>-v<version>/<corpus>.shards/<i>-of-<n>/`. Its signature is that of the whole run and, under
`shard`, which part it is; beside its rows lies `shard.json` as soon as all of them are there. It has no summary: figures of a part are not
those of a run.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from askd_bench.errors import UserError
from askd_bench.evaluation.plan import Part, Plan
from askd_bench.files import Document, Whole, read_json, write_json
from askd_bench.results import Result
from askd_bench.signature import ShardId

DONE_FILE = "shard.json"
_FORM = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Shard:
    """The `index`-th of `count` parts; the first is 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read "i/n".

        >>> Shard.parse("3/8")
        Shard(index=3, count=8)

        Raises:
            UserError: it is anything else, or i is above n.
        """
        form = _FORM.fullmatch(text)
        if form is None or int(form[1]) > int(form[2]):
            raise UserError(f"shard: {text!r} is none (allowed: i/n with i from 1 to n, e.g. 3/8)")
        return cls(int(form[1]), int(form[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def of(self, plan: Plan) -> Plan:
        """Return this part of a plan: as many batches as any other shard has, or one more.

        Raises:
            UserError: there are fewer batches than shards.
        """
        outline = plan.outline()
        if self.count > outline.batches:
            raise UserError(
                f"shard: {self} would leave shards without work: corpus {plan.reported.name!r} comes to {outline.batches} batches "
                f"(allowed: at most {outline.batches} shards)"
            )
        first, end = ((index * outline.batches) // self.count for index in (self.index - 1, self.index))
        return replace(plan, part=Part(first, end, outline))

    def folder(self, corpus: str) -> Path:
        """Return the shard's directory within that of the model and suite."""
        return Path(f"{corpus}.shards") / f"{self.index}-of-{self.count}"

    def record(self, plan: Plan) -> ShardId:
        """Return what the signature says of the shard."""
        assert plan.part is not None
        outline = plan.part.outline
        return ShardId(index=self.index, count=self.count, first_batch=plan.part.first, batches=outline.batches, plan=outline.fingerprint)


class Done(Document):
    """`shard.json`: the shard's rows are complete, and these are they.

    Attributes:
        rows: how many.
        sha256: of the file of rows, plain.
        peak_memory_bytes: of the process that decoded them; None where it was not measured.
    """

    rows: Whole
    sha256: str
    peak_memory_bytes: Whole | None

    @classmethod
    def read(cls, path: Path) -> "Done | None":
        """Return what a shard's directory says; None where it is unfinished.

        Raises:
            UserError: the file is damaged.
        """
        file = path / DONE_FILE
        return read_json(file, cls, argument="shards") if file.is_file() else None


def say_done(path: Path, *, peak_memory_bytes: int | None) -> None:
    """Write `shard.json`.

    Raises:
        UserError: the shard had ended before, with other rows.
    """
    digest, count = hashlib.sha256(), 0
    for line in Result(path).lines():
        digest.update(line)
        count += 1
    earlier = Done.read(path)
    if earlier is not None and (earlier.rows, earlier.sha256) != (count, digest.hexdigest()):
        raise UserError(f"output: {str(path)!r} is damaged: its rows are not those it ended with (allowed: --overwrite)")
    peak = peak_memory_bytes or (earlier.peak_memory_bytes if earlier else None)
    write_json(path / DONE_FILE, Done(rows=count, sha256=digest.hexdigest(), peak_memory_bytes=peak).model_dump())
