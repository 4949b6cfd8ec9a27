"""Files and documents: which one, and what of it changes."""

import re

from portero.telegram.render import rich
from portero.telegram.render.layout import Layout, Subject

_PATHS = ("path", "file_path", "filepath", "filename", "source", "destination", "paths", "repo_path")
_CONTENTS = ("content", "contents", "text", "file_text", "new_content")
_NAME = re.compile(r"file|director|folder|document|(^|_)doc(_|s|$)")
_VERBS = (
    (re.compile(r"edit|find_and_replace|modify|patch"), "✏️ Change a file"),
    (re.compile(r"write|create_or_update"), "💾 Write a file, replacing what is there"),
    (re.compile(r"move|rename"), "📦 Move or rename"),
    (re.compile(r"delete|remove"), "🗑 Delete"),
    (re.compile(r"create.*(director|folder)|mkdir"), "📁 New folder"),
    (re.compile(r"create|new|import|upload"), "📄 New file"),
    (re.compile(r"copy"), "📄 Copy a file"),
    (re.compile(r"share|access|permission"), "🔗 Change who has access"),
    (re.compile(r"read|get|list|search|tree|info"), "📖 Read"),
)


def arrange(subject: Subject, layout: Layout) -> bool:
    name, arguments = subject.name.lower(), layout.arguments
    located = any(arguments.under(key) for key in (*_PATHS, "file_id", "fileId", "document_id"))
    if not (located and (_NAME.search(name) or any(arguments.at(key) for key in (*_PATHS, *_CONTENTS)))):
        return False
    verb = next((words for test, words in _VERBS if test.search(name)), None)
    if verb is None:
        return False
    layout.headline = rich.text(verb)
    dry = arguments.at("dryRun") or arguments.at("dry_run")
    if dry is not None and dry.text == "true":
        layout.note(rich.text("A trial run: nothing is changed."))
    layout.place(*_PATHS, "file_id", "fileId", "document_id")
    changes = layout.changes()
    if changes > 1:
        layout.note(rich.text(f"{changes} changes"))
    for key in _CONTENTS:
        if text := arguments.text(key):
            layout.note(rich.text(f"{_lines(text)}, {len(text.encode('utf-8', 'surrogatepass')):,} bytes"))
            layout.text(key)
    return True


def _lines(text: str) -> str:
    count = text.count("\n") + (not text.endswith("\n"))
    return f"{count:,} line{'' if count == 1 else 's'}"
