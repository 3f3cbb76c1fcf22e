"""Lines of JSON for programs, all with the number of what their keys mean."""

import json
from typing import Any

SCHEMA = 1
"""Of all lines: keys are added, never removed or given another meaning."""


def json_line(facts: dict[str, Any]) -> str:
    """Write an object of plain values on one line."""
    return json.dumps({"schema": SCHEMA, **facts})
