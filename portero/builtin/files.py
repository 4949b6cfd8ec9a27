"""The server ``files``: text files in one folder. Started as ``python -m portero.builtin.files FOLDER``."""

import sys
from pathlib import Path
from typing import Final

from portero import __version__
from portero.builtin.folder import Folder
from portero.builtin.stdio import Tool, run

_READS: Final = {"readOnlyHint": True, "openWorldHint": False}
_WRITES: Final = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False}
_DELETES: Final = _WRITES | {"idempotentHint": False}
_PATH: Final = ("Relative to the folder, such as notes/today.txt.", True)


def tools_of(folder: Folder) -> list[Tool]:
    return [
        Tool(
            "list_directory",
            "Lists a folder; the names of folders end with a slash.",
            {"path": ("Relative to the folder; left out: the folder itself.", False)},
            _READS,
            folder.list_directory,
        ),
        Tool("read_text_file", "Reads a text file.", {"path": _PATH}, _READS, folder.read_text_file),
        Tool(
            "search_files",
            "Finds the lines of all files that hold a text, whatever its case.",
            {"text": ("What to look for.", True)},
            _READS,
            folder.search_files,
        ),
        Tool(
            "write_file",
            "Writes a text file, in place of one that is there.",
            {"path": _PATH, "content": ("All of the file's text.", True)},
            _WRITES,
            folder.write_file,
        ),
        Tool("delete_file", "Deletes a file for good.", {"path": _PATH}, _DELETES, folder.delete_file),
    ]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m portero.builtin.files FOLDER")
    run("portero-files", __version__, tools_of(Folder(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
