"""A folder with configuration files, and what loading it says."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from portero.errors import ConfigError
from portero.settings import Settings, load


@attrs.frozen
class Place:
    """The working directory of a start. Files that are not written are absent."""

    folder: Path

    def write(self, name: str, content: Any) -> None:
        """``content``: JSON text or a value. ``.env`` goes beside ``config``."""
        path = self.folder / name if name.startswith(".") else self.folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def load(self, environ: Mapping[str, str] | None = None, **files: Any) -> Settings:
        """``mcps=…`` writes ``mcps.json``, and so on; what is not given stands as an empty file."""
        empty = {"mcps": {"mcps": []}, "policies": {"policies": {}}, "replacements": {"replacements": []}}
        for name, content in {**empty, **files}.items():
            self.write(f"{name}.json", content)
        return load(environ or {}, self.folder)

    def problems(self, environ: Mapping[str, str] | None = None, **files: Any) -> list[str]:
        with pytest.raises(ConfigError) as refused:
            self.load(environ, **files)
        return list(refused.value.problems)

    def problem(self, environ: Mapping[str, str] | None = None, **files: Any) -> str:
        """The only one."""
        (only,) = self.problems(environ, **files)
        return only

    def server(self, entry: dict[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
        """With one server ``one``."""
        return self.load(environ, mcps={"mcps": [{"name": "one", **entry}]})
