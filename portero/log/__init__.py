"""The log: the only door to Redis. Everything else of Portero sees events, pointers, timers and leases."""

from portero.log.append import KEEP, Appended, Keep, Write, fence
from portero.log.entries import RecordedEvent
from portero.log.follow import Follower
from portero.log.health import Health, Problem
from portero.log.lease import Lease
from portero.log.log import Head, Log
from portero.log.mail import Mailbox
from portero.log.notes import Note
from portero.log.opening import open_log
from portero.log.reading import START
from portero.log.timers import Timers
from portero.log.work import Pointer, WorkQueue

__all__ = [
    "KEEP",
    "START",
    "Appended",
    "Follower",
    "Head",
    "Health",
    "Keep",
    "Lease",
    "Log",
    "Mailbox",
    "Note",
    "Pointer",
    "Problem",
    "RecordedEvent",
    "Timers",
    "WorkQueue",
    "Write",
    "fence",
    "open_log",
]
