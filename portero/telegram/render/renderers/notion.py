"""Notion: which page or block, and the words inside its nested values."""

from portero.telegram.render import rich
from portero.telegram.render.arguments import Path
from portero.telegram.render.layout import Layout, Subject

_VERBS = (
    ("delete", "🗑 Delete a block"),
    ("move", "📦 Move a page"),
    ("create-a-comment", "💬 Comment"),
    ("post-page", "📓 New page"),
    ("patch-block-children", "📓 Add to a page"),
    ("create", "📓 Create"),
    ("patch", "📓 Change a page"),
    ("update", "📓 Change"),
    ("search", "🔎 Search"),
    ("query", "🔎 Query"),
)
_IDS = ("page_id", "block_id", "database_id", "data_source_id", "parent", "archived", "in_trash")


def arrange(subject: Subject, layout: Layout) -> bool:
    name = subject.name.lower()
    if not ("notion" in subject.server.lower() or subject.name.startswith("API-")):
        return False
    layout.headline = rich.text(next((words for test, words in _VERBS if test in name), "📓 Notion"))
    arguments = layout.arguments
    for key in ("archived", "in_trash"):
        if (leaf := arguments.at(key)) is not None and leaf.text == "true":
            layout.note(rich.text("🗑 It goes to the trash."))
    layout.place(*_IDS)
    layout.changes()
    layout.where(_words)
    return True


def _words(path: Path) -> bool:
    """The text of a rich text value: ``…text.content``, ``…plain_text``, or Markdown."""
    return path[-2:] == ("text", "content") or path[-1:] in (("plain_text",), ("markdown",), ("content",), ("query",))
