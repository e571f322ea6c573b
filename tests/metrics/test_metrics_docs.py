import importlib.util

from simulated import ROOT


def test_page_equals_the_docstrings() -> None:
    spec = importlib.util.spec_from_file_location("build_metrics_docs", ROOT / "tools" / "build_metrics_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), "run python tools/build_metrics_docs.py"
    modules = {path.stem for path in (ROOT / "askd_bench" / "metrics").glob("*.py")}
    assert modules - set(module.CHAPTERS) == {"__init__", "systems", "estimate", "metric", "catalogue", "others"}
