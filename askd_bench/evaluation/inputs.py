"""What a run or a rendering starts from: suite, conditions, chosen utterances; checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from askd_bench.arguments import StrPath, names_of
from askd_bench.corpora import SEED_RULE as SELECT_RULE
from askd_bench.corpora import Corpus, open_corpus, open_stored, select
from askd_bench.corpora.base import Digest
from askd_bench.corpora.selection import Selection
from askd_bench.errors import UserError
from askd_bench.options import SpeechOptions
from askd_bench.paths import CORPORA_DIR
from askd_bench.perturbations.additive_noise import AdditiveNoise
from askd_bench.perturbations.base import Perturbation
from askd_bench.perturbations.measured_room import MeasuredRoom, find_responses
from askd_bench.perturbations.recordings import check_readable, in_folder
from askd_bench.rendering import SEED_RULE
from askd_bench.signature import (
    SCHEMA_VERSION,
    ConditionAxis,
    CorpusId,
    ModelCard,
    RecordingsId,
    Rules,
    ShardId,
    Signature,
    SuiteId,
)
from askd_bench.suites import Condition, Suite, load_suite
from askd_bench.types import Split

_TALKERS_CORPUS = "accents"


@dataclass(frozen=True, slots=True)
class Selected:
    """A corpus' utterances to report, and its "dev" utterances for fitting temperatures on clean speech (None where there are none)."""

    reported: Corpus
    fitting: Corpus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Suite, conditions and corpora as asked for; `talkers` is what babble is made of, `limit` utterances per corpus, 0 for all."""

    suite: Suite
    conditions: Sequence[Condition]
    corpora: Sequence[Selected]
    talkers: Corpus
    noise_dir: Path | None
    split: Split
    limit: int

    def signature(
        self,
        selected: Selected,
        *,
        model: ModelCard,
        batch_size: int,
        planned_rows: int | None,
        versions: Mapping[str, str],
        shard: ShardId | None = None,
    ) -> Signature:
        """Return the signature of a run on one of the corpora."""
        suite, reported, fitting = self.suite, selected.reported, selected.fitting
        return Signature(
            schema_version=SCHEMA_VERSION,
            suite=SuiteId(name=suite.name, version=suite.version, fingerprint=suite.fingerprint, baseline=suite.baseline),
            conditions={one.id: ConditionAxis(family=one.family, severity=one.severity) for one in self.conditions},
            corpus=CorpusId(
                name=reported.name,
                source=reported.source,
                fingerprint=reported.fingerprint(),
                fitting_fingerprint=fitting.fingerprint() if fitting else None,
                split=self.split,
                licence=reported.licence,
                speaker_is=reported.speaker_is,
                group_is=reported.group_is,
            ),
            model=model,
            batch_size=batch_size,
            limit=self.limit,
            planned_rows=planned_rows,
            rules=Rules(seed=SEED_RULE, select=SELECT_RULE),
            talkers=RecordingsId(name=self.talkers.name, fingerprint=self.talkers.fingerprint()),
            noise_dir=RecordingsId(name=self.noise_dir.name, fingerprint=_fingerprint(self.noise_dir)) if self.noise_dir else None,
            versions=dict(versions),
            shard=shard,
        )


def resolve_inputs(suite: StrPath, options: SpeechOptions, *, stored: bool = False) -> Inputs:
    """Open everything that was asked for.

    `stored`: what was asked for comes out of a stored file, see `open_stored`.

    Raises:
        UserError: any of it is unknown or unreadable.
    """
    loaded = load_suite(suite)
    chosen = loaded.select(names_of("conditions", options.conditions or ()), full=options.full)
    limit, split = options.limit, options.split
    noise_dir = None if options.noise_dir is None else Path(options.noise_dir)
    if noise_dir is not None and not noise_dir.is_dir():
        raise UserError(f"noise_dir: {str(noise_dir)!r} is not a folder (allowed: a folder of recordings)")
    _check_folders([step for condition in chosen for step in condition.chain], noise_dir)
    size = None if limit == 0 else limit if limit is not None else None if options.full else loaded.limit
    specs = names_of("corpus", options.corpus or loaded.corpora)
    opened = [(open_stored if stored else open_corpus)(spec) for spec in specs]
    names = [one.name for one in opened]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"corpus: two of {', '.join(specs)} are called {twice!r} (allowed: different names, since results go by name)")
    return Inputs(
        suite=loaded,
        conditions=chosen,
        corpora=[Selected(select(one, size, split=split), _fitting(one, size) if split == "test" else None) for one in opened],
        talkers=_talkers(),
        noise_dir=noise_dir,
        split=split,
        limit=size or 0,
    )


def _check_folders(steps: Sequence[Perturbation], noise_dir: Path | None) -> None:
    """Refuse a folder that is missing or empty, or a file in it that cannot be read, now and not in the middle of the run."""
    noises = {step.category for step in steps if isinstance(step, AdditiveNoise) and step.noise == "folder"}
    check_readable(sorted({path for category in noises for path in in_folder(noise_dir, category)}), "noise_dir")
    rooms = {(step.folder, step.pattern) for step in steps if isinstance(step, MeasuredRoom)}
    check_readable(sorted({path for folder, pattern in rooms for path in find_responses(folder, pattern)}), "folder")


def _fingerprint(folder: Path) -> str:
    """Return the sha256 of the names and sizes of all files in a folder."""
    digest = Digest()
    digest.add(*sorted((path.relative_to(folder).as_posix(), path.stat().st_size) for path in folder.rglob("*") if path.is_file()))
    return digest.hex()


def count(corpus: Corpus) -> int:
    """Return how many utterances there are; for a sample without reading the source, else by one pass over its metadata."""
    if isinstance(corpus, Selection) and corpus.ids is not None:
        return len(corpus.ids)
    return sum(1 for _ in corpus.metadata())


def _talkers() -> Corpus:
    if not (CORPORA_DIR / _TALKERS_CORPUS).is_dir():
        raise UserError(
            f"talkers: the bundled corpus {_TALKERS_CORPUS!r}, which babble is made of, is not installed (allowed: a whole wheel)"
        )
    return open_corpus(_TALKERS_CORPUS)


def _fitting(corpus: Corpus, limit: int | None) -> Corpus | None:
    has_dev = any(utterance.split == "dev" for utterance in corpus.metadata())
    return select(corpus, limit, split="dev") if has_dev else None
