"""The file that says which models are an arm's seeds, which results make a domain, and what is compared."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from askd_bench.files import Document, read_toml

CLEAN = "clean"
"""What the domain of unperturbed speech is called, where a study has one."""

SHIFTED = "shifted"

TEACHER = "teacher"
"""What tables call the teacher; no arm has this name."""


class Domain(Document):
    """Result directories that make one kind of audio.

    Attributes:
        suite: label, e.g. `noisy-v1`.
        corpora: of it.
        conditions: all of them, the baseline alone, or all but the baseline.
        shifted: part of the speech that the primary outcomes are measured on.
    """

    suite: str
    corpora: tuple[str, ...] = Field(min_length=1)
    conditions: Literal["all", "baseline", "shifted"] = "shifted"
    shifted: bool = True


class Clip(Document):
    """One clip of a suite."""

    suite: str
    condition: str
    utterance: str


class StudyPlan(Document):
    """What is compared with what.

    Attributes:
        teacher: model whose errors may be inherited.
        arms: arm -> its students, one a seed, in the same order of seeds in every arm; arms with fewer have the first seeds.
        primary: the two arms of the verdict; differences are the first minus the second. One may be "teacher" where there is no verdict.
        contrasts: further pairs of arms (or "teacher"), compared over the seeds both have; they carry no verdict.
        by_domain: pairs of arms (or "teacher") that are compared domain by domain too.
        unheard: the domains that are like nobody's training speech.
        domains: name -> where its audio is. "shifted" stands for those that are, laid end to end.
        fitting: suite and corpus whose dev utterances a model's temperature is fitted on.
        left_out: clips in no figure, since a student heard them with other bits than the teacher.
    """

    teacher: str
    arms: dict[str, tuple[str, ...]] = Field(min_length=1)
    primary: tuple[str, str]
    contrasts: tuple[tuple[str, str], ...] = ()
    by_domain: tuple[tuple[str, str], ...] = ()
    unheard: tuple[str, ...] = ()
    domains: dict[str, Domain] = Field(min_length=1)
    fitting: tuple[str, str]
    left_out: tuple[Clip, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "StudyPlan":
        if TEACHER in self.arms:
            raise ValueError(f"arms: {TEACHER!r} is the teacher's name; choose another")
        for key, pair in (
            ("primary", self.primary),
            *(("contrasts", pair) for pair in self.contrasts),
            *(("by_domain", pair) for pair in self.by_domain),
        ):
            for arm in pair:
                if arm not in self.arms and arm != TEACHER:
                    raise ValueError(f"{key}: {arm!r} is no arm (allowed: {', '.join(self.arms)})")
        strange = next((domain for domain in self.unheard if domain not in self.domains), None)
        if strange is not None:
            raise ValueError(f"unheard: {strange!r} is no domain (allowed: {', '.join(self.domains)})")
        if SHIFTED in self.domains:
            raise ValueError(f"domains: {SHIFTED!r} is taken by what is shifted of all of them; choose another name")
        if not any(domain.shifted for domain in self.domains.values()):
            raise ValueError("domains: none is shifted, so there is nothing to measure the primary outcomes on")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """The teacher and every student."""
        return (self.teacher, *(model for students in self.arms.values() for model in students))

    def parts(self, domain: str) -> list[tuple[str, Domain]]:
        """Return the domains that `domain` is laid together from: itself, or for "shifted" all that are."""
        if domain == SHIFTED:
            return [(name, one) for name, one in self.domains.items() if one.shifted]
        return [(domain, self.domains[domain])]


def load_study_plan(path: Path) -> StudyPlan:
    """Read a study's file.

    Raises:
        UserError: it is missing, no TOML, has an unknown key, or names an arm that is none.
    """
    return read_toml(path, StudyPlan, argument="study")
