"""Copy result directories into reference_results/, compressed, summaries computed again.

python tools/package_results.py RESULTS [--untimed]    every <model>/<suite>-v<version>/<corpus>/ under RESULTS

`--untimed` takes the timings out of the rows: of runs on a machine that did other work too, so that nobody quotes their speed.
"""

import argparse
import bz2
import shutil
import sys
from dataclasses import replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from askd_bench.errors import UserError  # noqa: E402
from askd_bench.files import write_json  # noqa: E402
from askd_bench.results import SUMMARY_FILE, Result  # noqa: E402
from askd_bench.row_store import discard  # noqa: E402
from askd_bench.rows import ROWS_FILE, row_to_json  # noqa: E402
from askd_bench.signature import SIGNATURE_FILE  # noqa: E402

REFERENCE_RESULTS = REPOSITORY / "reference_results"


def package(source: Result, target: Path, *, untimed: bool) -> None:
    """Write one result directory: signature, compressed rows (the same bytes each time), summary with the normaliser it had."""
    normalizer = source.stored_summary()["normalizer"]["name"]
    discard(target)
    target.mkdir(parents=True)
    shutil.copy(source.path / SIGNATURE_FILE, target)
    with bz2.open(target / f"{ROWS_FILE}.bz2", "wb") as rows:
        for row in source.rows():
            rows.write((row_to_json(replace(row, decode_s=None) if untimed else row) + "\n").encode())
    peak = None if untimed else source.stored_summary()["peak_memory_bytes"]
    summary = Result.open(target).summarise(normalizer=normalizer) | {"peak_memory_bytes": peak}
    write_json(target / f"{SUMMARY_FILE}.bz2", summary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--untimed", action="store_true", help="take the timings out")
    options = parser.parse_args()
    folders = [signature.parent for signature in sorted(options.results.glob(f"*/*/*/{SIGNATURE_FILE}"))]
    if not folders:
        sys.exit(f"error: results: {options.results} holds no <model>/<suite>-v<version>/<corpus>/{SIGNATURE_FILE}")
    try:
        for folder in folders:
            Result.open(folder).stored_summary()  # nothing is copied unless all runs have ended
        for folder in folders:
            where = folder.relative_to(options.results)
            package(Result.open(folder), REFERENCE_RESULTS / where, untimed=options.untimed)
            print(where)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
