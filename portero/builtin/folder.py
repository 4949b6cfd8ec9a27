"""Text files in one folder, and no way out of it."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from portero.builtin.stdio import ToolError

LARGEST: Final = 1 << 20
"""Bytes of one file, read or written."""
LONGEST_LISTING: Final = 1_000
"""Lines of one answer."""


class Folder:
    """Names are relative to ``root``, which is made when it is missing. Links are followed only inside of it."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve(strict=True)

    def list_directory(self, path: str = ".") -> str:
        folder = self._inside(path)
        if not folder.is_dir():
            raise ToolError(f"{path} is not a folder.")
        names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
        return _lines(iter(names)) or f"{path} is empty."

    def read_text_file(self, path: str) -> str:
        file = self._file(path)
        if file.stat().st_size > LARGEST:
            raise ToolError(f"{path} is larger than {LARGEST} bytes.")
        return _text(file, path)

    def search_files(self, text: str) -> str:
        """Lines that hold ``text``, whatever its case."""
        wanted = text.casefold()
        if not wanted:
            raise ToolError("text is empty.")
        return _lines(self._found(wanted)) or f"No file holds {text!r}."

    def write_file(self, path: str, content: str) -> str:
        data = content.encode("utf-8", "surrogatepass")
        if len(data) > LARGEST:
            raise ToolError(f"content is larger than {LARGEST} bytes.")
        file = self._inside(path)
        if file.is_dir():
            raise ToolError(f"{path} is a folder.")
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{secrets.token_hex(8)}.part")
        try:
            draft.write_bytes(data)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
        return f"Wrote {len(data)} bytes to {path}."

    def delete_file(self, path: str) -> str:
        self._file(path).unlink()
        return f"Deleted {path}."

    def _inside(self, path: str) -> Path:
        if "\0" in path:
            raise ToolError("A path has no NUL characters.")
        found = (self.root / path).resolve()
        if not found.is_relative_to(self.root):
            raise ToolError(f"{path} is outside of the folder.")
        return found

    def _file(self, path: str) -> Path:
        file = self._inside(path)
        if not file.is_file():
            raise ToolError(f"There is no file {path}.")
        return file

    def _found(self, wanted: str) -> Iterator[str]:
        for at, folders, names in os.walk(self.root):
            folders.sort()
            for name in sorted(names):
                file = Path(at, name)
                shown = file.relative_to(self.root).as_posix()
                if not file.resolve().is_relative_to(self.root) or not file.is_file() or file.stat().st_size > LARGEST:
                    continue
                try:
                    lines = _text(file, shown).splitlines()
                except ToolError:
                    continue  # not a text
                for number, line in enumerate(lines, 1):
                    if wanted in line.casefold():
                        yield f"{shown}:{number}: {line.strip()}"


def _text(file: Path, shown: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ToolError(f"{shown} is not a text in UTF-8.") from None


def _lines(lines: Iterator[str]) -> str:
    taken = [line for _, line in zip(range(LONGEST_LISTING), lines, strict=False)]
    return "\n".join([*taken, "…"] if next(lines, None) is not None else taken)
