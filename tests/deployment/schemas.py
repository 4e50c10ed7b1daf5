"""Files that others read, held to the JSON schemas that check-jsonschema carries."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def by_schema(name: str, document: Any) -> None:
    """Hold a document to the schema of this name (`check-jsonschema --help` lists them). Raises `ValueError`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "document.json"
        file.write_text(json.dumps(document, default=str))
        looked = subprocess.run(
            [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{name}", file],
            capture_output=True,
            text=True,
            check=False,
        )
    if looked.returncode:
        raise ValueError(looked.stdout + looked.stderr)
