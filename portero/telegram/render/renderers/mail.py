"""Mail and messages: who gets it first, then what it says."""

import re

from portero.telegram.render import rich
from portero.telegram.render.layout import Layout, Subject

_NAME = re.compile(r"gmail|e?mail|message")
_ACTS = re.compile(r"send|draft|reply|forward|compose")
_RECIPIENTS = ("to", "cc", "bcc")
_SENDERS = ("from", "from_email", "from_name", "user_google_email")
_BODIES = ("body", "text", "message", "content", "html", "htmlBody")


def arrange(subject: Subject, layout: Layout) -> bool:
    name = subject.name.lower()
    arguments = layout.arguments
    addressed = any(arguments.under(key) for key in ("to", "recipient", "recipients"))
    written = any(arguments.at(key) for key in (*_BODIES, "subject"))
    about_mail = _NAME.search(name) or _NAME.search(subject.server.lower())
    if not (_ACTS.search(name) and about_mail and (addressed or written)):
        return False
    draft = "draft" in name
    people = [address for key in (*_RECIPIENTS, "recipient", "recipients") for address in _addresses(layout, key)]
    count = f" to {len(people)} {'person' if len(people) == 1 else 'people'}" if people else ""
    layout.headline = rich.text(f"📝 Draft a mail{count}" if draft else f"📧 Send{count}")
    if hidden := len(_addresses(layout, "bcc")):
        layout.note(rich.text(f"⚠️ {hidden} hidden in bcc: the others will not see them"))
    if (arguments.text("body_format") or "").lower() == "html" or arguments.at("html") or arguments.at("htmlBody"):
        layout.note(rich.text("The text is HTML and shown as its source."))
    if attached := len({leaf.path[:2] for leaf in arguments.under("attachments")}):
        layout.note(rich.text(f"📎 {attached} attached"))
    layout.place(*_SENDERS, *_RECIPIENTS, "recipient", "recipients", "subject")
    for key in _BODIES:
        layout.text(key)
    return True


def _addresses(layout: Layout, key: str) -> list[str]:
    return [
        address.strip()
        for leaf in layout.arguments.under(key)
        if isinstance(leaf.value, str)
        for address in re.split(r"[,;\n]", leaf.value)
        if "@" in address
    ]
