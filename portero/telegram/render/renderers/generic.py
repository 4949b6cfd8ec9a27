"""Any tool: texts that replace others as comparisons, then every argument in its order."""

from portero.domain.values import Kind
from portero.telegram.render import rich
from portero.telegram.render.layout import Layout, Subject

_HEADLINES = {
    Kind.RESOURCE: "📄 Read a resource",
    Kind.PROMPT: "💬 Get a prompt",
    Kind.COMPLETION: "💬 Complete an argument",
    Kind.TASK_UPDATE: "💬 Answer what a task asks",
    Kind.TASK_CANCEL: "✖️ Cancel a task",
}


def arrange(subject: Subject, layout: Layout) -> bool:
    if subject.kind in _HEADLINES:
        layout.headline = rich.text(_HEADLINES[subject.kind])
    layout.changes()
    return True
