"""Stripe: money as money."""

from portero.telegram.render import rich
from portero.telegram.render.layout import Layout, Subject
from portero.telegram.render.rich import Rich

WITHOUT_CENTS = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"}
)
"""Currencies whose smallest unit is the whole. Source: Stripe, zero-decimal currencies."""
IN_THOUSANDTHS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})

_VERBS = {
    "create_refund": "💸 Refund",
    "create_price": "💶 New price",
    "create_product": "📦 New product",
    "create_customer": "👤 New customer",
    "create_payment_link": "🔗 New payment link",
    "create_invoice": "🧾 New invoice",
    "create_invoice_item": "🧾 New line on an invoice",
    "finalize_invoice": "🧾 Finalise an invoice: from then on it is owed",
    "cancel_subscription": "🛑 Cancel a subscription",
    "update_subscription": "🔁 Change a subscription",
    "create_coupon": "🏷 New coupon",
    "update_dispute": "⚖️ Answer a dispute",
}
_AMOUNTS = ("amount", "unit_amount", "amount_off")
_ORDER = ("payment_intent", "charge", "customer", "invoice", "subscription", "product", "price", *_AMOUNTS, "currency")


def arrange(subject: Subject, layout: Layout) -> bool:
    if "stripe" not in subject.server.lower():
        return False
    arguments = layout.arguments
    layout.headline = rich.text(_VERBS.get(subject.name, "💳 Stripe"))
    currency = arguments.text("currency")
    for leaf in arguments.leaves:
        if leaf.path[-1:] and leaf.path[-1] in _AMOUNTS and (amount := layout.number(*leaf.path)) is not None:
            inner = arguments.text(*leaf.path[:-1], "currency") or currency
            layout.note(rich.text("💰 "), _money(amount, inner))
    if subject.name == "create_refund" and not arguments.under("amount"):
        layout.note(rich.text("💰 "), rich.bold("the whole payment"), rich.text(": no amount is given"))
    if (percent := layout.number("percent_off")) is not None:
        layout.note(rich.text("💰 "), rich.bold(f"{percent} % off"))
    if subject.name == "finalize_invoice":
        layout.note(rich.text("It cannot be taken back."))
    layout.place(*_ORDER)
    layout.text("description")
    return True


def _money(amount: int, currency: str | None) -> Rich:
    """``amount`` is in the currency's smallest unit, as everywhere at Stripe."""
    if currency is None or not (currency.isascii() and currency.isalpha() and len(currency) == 3):
        smallest = rich.text(" of the currency's smallest unit (cents, where it has them)")
        return rich.join((rich.bold(f"{amount:,}"), smallest))
    return rich.bold(f"{money(amount, currency.lower())} {currency.upper()}")


def money(amount: int, currency: str) -> str:
    if currency in WITHOUT_CENTS:
        return f"{amount:,}"
    digits = 3 if currency in IN_THOUSANDTHS else 2
    whole, part = divmod(abs(amount), 10**digits)
    return f"{'-' if amount < 0 else ''}{whole:,}.{part:0{digits}}"
