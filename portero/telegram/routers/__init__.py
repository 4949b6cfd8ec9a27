"""One router for each feature, and the dispatcher that holds them."""

from aiogram import Dispatcher

from portero.telegram.admission import Admission
from portero.telegram.context import Context
from portero.telegram.routers import approvals, grants, help, lists, reasons, rules, strangers, switch


def make_dispatcher(context: Context) -> Dispatcher:
    dispatcher = Dispatcher()
    dispatcher["context"] = context
    dispatcher.update.outer_middleware(Admission(context))
    dispatcher.include_routers(
        strangers.make(),
        approvals.make(),
        rules.make(),
        grants.make(),
        switch.make(),
        lists.make(),
        help.make(),
        reasons.make(),  # last: it takes any text
    )
    return dispatcher
