"""Write data for the page's scripts as JSON inside a script element."""

from __future__ import annotations

import json
from typing import Any

from sweeps.artifacts.layout import SEARCH
from sweeps.report.data import ReportData
from sweeps.report.trials.arms import arms_data
from sweeps.report.trials.columns import table_columns
from sweeps.report.trials.records import curves_data, logs_data


def trials_data(data: ReportData) -> dict[str, Any]:
    """Return what the scripts of the table and of the pages need; nothing for a study without trials."""
    if not data.results.everything:
        return {}
    words = data.findings.metric_format
    return {
        "search": SEARCH,
        "metric": {"label": words.label, "unit": words.unit},
        "columns": table_columns(data.findings),
        "curves": curves_data(data.results.everything),
        "logs": logs_data(data.results),
        **arms_data(data.findings),
    }


def script_json(value: Any) -> str:
    """Return a value as compact JSON in which no character can end the script element around it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
