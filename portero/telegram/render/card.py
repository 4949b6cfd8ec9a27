"""The card of a call: asked, decided, run; every argument of it, exactly."""

from typing import Final

import attrs

from portero.domain.call import Call
from portero.domain.values import Kind, Status
from portero.telegram.callbacks import Verb
from portero.telegram.render import rich
from portero.telegram.render.arguments import Arguments, Leaf, parse
from portero.telegram.render.attachment import attachment
from portero.telegram.render.facts import NAME, brief, cut_on_card, risks, why_asked
from portero.telegram.render.fit import fit
from portero.telegram.render.items import Marker, number_marks
from portero.telegram.render.layout import Layout, Subject
from portero.telegram.render.message import Keyboard, Message, button
from portero.telegram.render.renderers import arrange
from portero.telegram.render.rich import MESSAGE_UNITS, Rich
from portero.telegram.render.standing import Hour, standing
from portero.telegram.render.times import zone_name

SPARE: Final = 16
"""Units left free, so that a count in the last line may grow."""

NOTES: Final = 8
"""Lines of a renderer on one card."""


@attrs.frozen
class Setting:
    """What a card needs to know beside the call."""

    hour: Hour
    marks: Marker
    """Finds the replaced parts of a text; they carry the real values only where those are to be shown."""
    reals_shown: bool = False
    reveals: int = 0
    """Taps that it takes to read all the real values, 200 characters each."""


def card(call: Call, arguments: str, extra: str | None, setting: Setting, *, result: str | None = None) -> Message:
    """``arguments``, ``extra`` (other members of the params) and ``result`` are JSON texts, wherever they were kept.

    Nobody approves what is not shown whole.
    """
    taken = parse(arguments, extra)
    layout = Layout(taken, setting.marks)
    arrange(Subject(call.upstream, call.name, call.kind), layout)
    head = rich.lines([*standing(call, setting.hour, result), rich.text(""), *_about(call, layout)])
    ending = _ending(call, setting, taken)
    count = len(taken.leaves)
    longest = _counted(0, count, whole=taken.whole, attached=True)
    room = MESSAGE_UNITS - SPARE - rich.length(head) - rich.length(ending) - rich.length(longest)
    fitted = fit(layout.finish(), room)
    shown = len(fitted.leaves)
    attached = shown < count or cut_on_card(call.tool) or cut_on_card(call.facts.title or "")
    counted = _counted(shown, count, whole=taken.whole, attached=attached)
    text = rich.lines([head, fitted.text, counted, ending])
    file = attachment(call, taken, setting.marks) if attached else None
    return Message(text, keyboard(call, setting.reveals), file)


def keyboard(call: Call, reveals: int) -> Keyboard:
    if call.status is Status.UNKNOWN:
        return (
            (button("It happened", Verb.HAPPENED, call.id), button("It did not", Verb.NOT_HAPPENED, call.id)),
            (button("🔁 Run again", Verb.RUN_AGAIN, call.id),),
        )
    if call.status is not Status.PENDING:
        return ()
    show = [
        button("👁 Show real values" + (f" {page}" if reveals > 1 else ""), Verb.REVEAL, call.id, page)
        for page in range(1, reveals + 1)
    ]
    return (
        (button("✅ Approve", Verb.APPROVE, call.id), button("⛔ Deny", Verb.DENY, call.id)),
        (
            button("✅ Approve + grant 10 min", Verb.GRANT_10M, call.id),
            button("✅ Approve + grant 1 h", Verb.GRANT_1H, call.id),
        ),
        (
            button("✅ Approve + always allow", Verb.ALWAYS_ALLOW, call.id),
            button("⛔ Deny + always deny", Verb.ALWAYS_DENY, call.id),
        ),
        *(tuple(show[at : at + 2]) for at in range(0, len(show), 2)),
    )


def bare_card(call: Call, setting: Setting, why: str) -> Message:
    """For a call whose arguments cannot be shown: it can be denied here, and approved where they can be read."""
    layout = Layout(Arguments(()), setting.marks)
    advice = ""
    if call.status is Status.PENDING:
        advice = f"Look at it with `portero show {call.id}` and decide there, or deny it here."
    lines = [
        *standing(call, setting.hour, None),
        rich.text(""),
        *_about(call, layout),
        rich.bold(f"⚠️ {why}"),
        rich.text(advice) if advice else (),
        _ending(call, setting, layout.arguments),
    ]
    keys = keyboard(call, 0)
    return Message(rich.lines(lines), without_approval(keys) if call.status is Status.PENDING else keys)


def without_approval(keys: Keyboard) -> Keyboard:
    """The buttons that remain when the arguments could not be shown whole: nobody approves what cannot be read."""
    refusing = {Verb.DENY.value, Verb.ALWAYS_DENY.value}
    rows = (tuple(key for key in row if key.data.partition(":")[0] in refusing) for row in keys)
    return tuple(row for row in rows if row)


# --- parts ------------------------------------------------------------------------------------------------------------


def _about(call: Call, layout: Layout) -> list[Rich]:
    tool = rich.code(brief(call.tool, NAME))
    if call.facts.title:
        tool = rich.join((tool, rich.text(" — "), rich.code(brief(call.facts.title, NAME))))
    return [
        layout.headline,
        tool,
        rich.join((rich.text("From "), rich.code(brief(call.client, 80)))),
        rich.text(risks(call.facts)) if call.kind is Kind.TOOL else (),
        why_asked(call.reason),
        *_notes(layout),
    ]


def _notes(layout: Layout) -> list[Rich]:
    """None of what the arguments seem to mean is said where it is the server's choice which of them count."""
    if any(leaf.repeated for leaf in layout.arguments.leaves):
        return [rich.bold("⚠️ A key is given more than once: which of its values counts is up to the server.")]
    return layout.notes[:NOTES]


def _counted(shown: int, count: int, *, whole: bool, attached: bool) -> Rich:
    if not whole:
        return rich.text("Nested too deeply to list: shown as its JSON text, whole in the attached file")
    words = f"{shown:,} of {count:,} argument{'' if count == 1 else 's'} shown"
    if shown < count:
        return rich.text(f"{words} whole here, all {count:,} in the attached file")
    return rich.text(words + (", long names whole in the attached file" if attached else ""))


def _ending(call: Call, setting: Setting, arguments: Arguments) -> Rich:
    hour = setting.hour
    replaced = sum(_replaced(leaf, setting.marks) for leaf in arguments.leaves)
    legend = rich.text(_legend(replaced, setting)) if replaced else ()
    times = f" · asked {hour.clock(call.requested_at)}"
    hint: Rich = ()
    if call.status is Status.PENDING and call.expires_at is not None:
        times += f" · expires {hour.clock(call.expires_at)} {zone_name(call.expires_at, hour.zone)}"
        hint = rich.italic("Reply to this message with a text to deny it for that reason.")
    identity = rich.join((rich.text("Task "), rich.code(call.id), rich.text(times)))
    return rich.lines([legend, identity, hint])


def _replaced(leaf: Leaf, marks: Marker) -> int:
    """How many of its parts are replaced, those of its own key included."""
    key = leaf.path[-1] if leaf.path else ""
    in_key = len(marks(key)) if isinstance(key, str) else 0
    return in_key + len(marks(leaf.value) if isinstance(leaf.value, str) else number_marks(leaf.text, marks))


def _legend(replaced: int, setting: Setting) -> str:
    if setting.reals_shown:
        return "⟪fake → real⟫ is replaced when it runs"
    if replaced == 1:
        return "⟪…⟫ marks 1 value that is replaced by the real one when it runs"
    return f"⟪…⟫ marks {replaced:,} values that are replaced by the real ones when it runs"
