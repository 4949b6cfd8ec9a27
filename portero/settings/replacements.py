"""``replacements.json``: the fakes that the model sees and the reals they stand for."""

from collections.abc import Mapping
from typing import Any, Final

from portero.domain.replacement import REDACTED, Entry, Replacer
from portero.errors import ConfigError
from portero.settings.files import REPLACEMENTS
from portero.settings.findings import Findings
from portero.settings.shape import Shape
from portero.settings.substitute import filled

KEYS: Final = ("fake", "real", "bidirectional", "caseSensitive", "wholeWord", "responseReplacement")

PROTOCOL_WORDS: Final = (
    *("_meta", "annotations", "assistant", "audience", "audio", "blob", "complete", "content", "contents", "data"),
    *("description", "icons", "image", "isError", "lastModified", "messages", "mimeType", "name", "priority"),
    *("resource", "resource_link", "resultType", "role", "size", "structuredContent", "text", "title", "type", "uri"),
    "user",
)
"""Keys and fixed values of MCP results: a real that is found in one of them would damage every result."""


def read_replacements(document: Any, values: Mapping[str, str], findings: Findings) -> Replacer:
    """Entries that lack a variable, or whose real is empty, are among what was skipped."""
    shape = Shape(REPLACEMENTS, findings.problems)
    top = shape.table(document, "", ("replacements",))
    lines = shape.get(top, "replacements", list, "")
    if lines is None:
        if "replacements" not in top:
            shape.wrong("", 'must be {"replacements": [ … ]}.')
        return Replacer.from_entries(())
    before = len(findings.problems)
    read = [_read(number, line, values, findings) for number, line in enumerate(lines, 1)]
    if len(findings.problems) > before:
        return Replacer.from_entries(())
    return _table([entry for entry in read if entry is not None], shape, findings.warnings)


def _read(number: int, line: Any, values: Mapping[str, str], findings: Findings) -> Entry | None:
    shape = Shape(REPLACEMENTS, findings.problems)
    where = f"entry {number}"
    table = shape.table(line, where, KEYS)
    fake = table.get("fake")
    named = f"{where} ({fake})" if isinstance(fake, str) and "${" not in fake else where
    result = filled(
        table,
        values,
        f"{REPLACEMENTS}: {where}",
        shape.problems,
        lambda unset: findings.skipped.append(f"Replacement {named} is skipped: {unset}."),
    )
    if result is None:
        return None
    table, _ = result
    texts = {key: shape.get(table, key, str, where) for key in ("fake", "real", "responseReplacement")}
    flags = {key: shape.get(table, key, bool, where) for key in ("bidirectional", "caseSensitive", "wholeWord")}
    for key in ("fake", "real"):
        if table and table.get(key) is None:
            shape.wrong(where, f"{key!r} is missing.")
    if texts["fake"] is None or texts["real"] is None:
        return None
    if not texts["real"].strip():
        findings.skipped.append(f"Replacement {named} is skipped: its real is empty.")
        return None
    bidirectional = flags["bidirectional"] is not False
    if bidirectional and texts["responseReplacement"]:
        findings.warnings.append(
            f"{REPLACEMENTS}: {where}: responseReplacement is not used: results get the fake of a bidirectional entry."
        )
    return Entry(
        fake=texts["fake"],
        real=texts["real"],
        bidirectional=bidirectional,
        case_sensitive=flags["caseSensitive"] is not False,
        whole_word=flags["wholeWord"] is True,
        response_replacement=texts["responseReplacement"] or REDACTED,
        number=number,
    )


def _table(entries: list[Entry], shape: Shape, warnings: list[str]) -> Replacer:
    try:
        replacer = Replacer.from_entries(entries)
    except ConfigError as error:
        for problem in error.problems:
            shape.wrong("", problem)
        return Replacer.from_entries(())
    for word in PROTOCOL_WORDS:
        for entry in replacer.reals_in(word):
            shape.wrong(
                f"entry {entry.number}",
                f"its real is found in {word!r}, a word of the protocol itself, so every result would be damaged. "
                "Set wholeWord or caseSensitive, or write more of the real.",
            )
    warnings.extend(f"{REPLACEMENTS}: {warning}" for warning in replacer.warnings)
    return replacer
