"""The archive: what the log holds, in segments that name each other, in a folder or an object store."""

from portero.log.archive.archive import Archive, pages_of
from portero.log.archive.place import Bucket
from portero.log.archive.reading import entries_of, open_segment
from portero.log.archive.segment import Header, RawEntry, Segment, first_of, name_of
from portero.log.archive.storage import Storage, prove, storage_at
from portero.log.archive.writing import SegmentWriter

__all__ = [
    "Archive",
    "Bucket",
    "Header",
    "RawEntry",
    "Segment",
    "SegmentWriter",
    "Storage",
    "entries_of",
    "first_of",
    "name_of",
    "open_segment",
    "pages_of",
    "prove",
    "storage_at",
]
