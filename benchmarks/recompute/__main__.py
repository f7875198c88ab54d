"""Recompute every figure of a report.

    python -m benchmarks.recompute reports/NAME --study studies/NAME.yaml

The report's runs (tables/replicates.csv, trials.csv, pairs.csv, confusion.csv) are the input. Means, intervals, tests,
corrections, effects, shares and costs are computed anew with scipy and statsmodels, and compared with the CSV files at
full precision, with the digits of the Markdown tables, and with the intervals of the answer. Columns that it does not
know are listed. Exit code 1 when a figure is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.recompute.published import Published
from benchmarks.recompute.report import recompute


def main() -> None:
    """Recompute a report, print what was checked, and exit with 1 if a figure is wrong."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("report", type=Path, help="the folder of the report")
    options.add_argument("--study", type=Path, required=True, help="the study file")
    chosen = options.parse_args()
    verdict = recompute(Published.of(chosen.report, chosen.study))
    for line in verdict.wrong:
        print(f"wrong: {line}", file=sys.stderr)
    for table, columns in verdict.unknown.items():
        print(f"not recomputed: {table}: {', '.join(columns)}")
    print(f"{chosen.report}: {verdict.checked:,} figures checked, {len(verdict.wrong)} wrong")
    sys.exit(1 if verdict.wrong else 0)


if __name__ == "__main__":
    main()
