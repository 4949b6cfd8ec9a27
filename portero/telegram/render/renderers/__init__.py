"""Who arranges which tool's arguments: the first renderer that knows it; none of them hides anything."""

from collections.abc import Callable

from portero.telegram.render.layout import Layout, Subject
from portero.telegram.render.renderers import calendar, files, generic, github, mail, notion, stripe

Renderer = Callable[[Subject, Layout], bool]
"""Arranges the layout and returns True when it knows the tool, or returns False and leaves the layout as it was."""

RENDERERS: tuple[Renderer, ...] = (
    stripe.arrange,
    github.arrange,
    notion.arrange,
    calendar.arrange,
    mail.arrange,
    files.arrange,
    generic.arrange,
)


def arrange(subject: Subject, layout: Layout) -> None:
    for renderer in RENDERERS:
        if renderer(subject, layout):
            return
