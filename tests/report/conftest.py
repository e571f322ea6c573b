"""A page of four models in a section, made once: the packaged one as teacher, two students, and a control."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from page_results import TEACHER, some_rows, student, write_result

from askd_bench.report.page.build import report

CONDITIONS = ("clean", "white-10dB", "white-0dB", "babble-0dB")


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Result directories `teacher`, `kd`, `askd`, `control` of the same speech."""
    folder = tmp_path_factory.mktemp("family")
    few = some_rows(24, CONDITIONS)
    return SimpleNamespace(
        teacher=write_result(folder, TEACHER, few),
        kd=write_result(folder, "kd", few, student("kd", error_rate=0.15, sharpened=0.5, speed=20), about={"parameters": 29_000_000}),
        askd=write_result(folder, "askd", few, student("askd", error_rate=0.1, speed=25), about={"parameters": 28_000_000}),
        control=write_result(folder, "control", few, student("ce", error_rate=0.4, speed=15), about={"parameters": 30_000_000}),
    )


@pytest.fixture(scope="session")
def family_page(family: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page of the family: `page`, `report`."""
    folder = tmp_path_factory.mktemp("page")
    done = report(
        [family.teacher, family.kd, family.askd, family.control],
        out=folder / "report.html",
        teacher=TEACHER,
        control="control",
        gallery=2,
    )
    return SimpleNamespace(page=folder / "report.html", report=done)


@pytest.fixture(scope="session")
def family_html(family_page: Any) -> str:
    page: Path = family_page.page
    return page.read_text(encoding="utf-8")
