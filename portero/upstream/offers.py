"""What an upstream offers, one value each: tools, prompts, resources and resource templates."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import msgspec
from msgspec import Raw

from portero.domain.values import ToolFacts
from portero.upstream import names
from portero.upstream.names import Spelling

_members = msgspec.json.Decoder(dict[str, Raw])


@attrs.frozen(eq=False)
class _Named:
    """A tool or a prompt. ``definition``: the upstream's JSON as it came."""

    server: str
    name: str
    """The upstream's own name."""
    definition: bytes = attrs.field(repr=False)
    title: str | None = attrs.field(repr=False)
    description: str = attrs.field(repr=False)
    prefix: bool = attrs.field(default=True, repr=False)
    canonical: str = attrs.field(init=False)
    safe: str = attrs.field(init=False)
    _built: dict[tuple[Spelling, bool], bytes] = attrs.field(factory=dict, init=False, repr=False)

    @canonical.default
    def _(self) -> str:
        return names.canonical(self.server, self.name)

    @safe.default
    def _(self) -> str:
        return names.safe(self.server, self.name)

    def spelled(self, spelling: Spelling) -> str:
        """The name under which it is listed."""
        if not self.prefix:
            return self.name
        return self.safe if spelling is Spelling.SAFE else self.canonical

    def listing(self, spelling: Spelling, *, output_schema: bool = True) -> bytes:
        """Its definition under our name; every other member's value is byte for byte the upstream's, in its order."""
        key = (spelling, output_schema)
        if key not in self._built:
            members = _members.decode(self.definition)
            members["name"] = Raw(msgspec.json.encode(self.spelled(spelling)))
            if not output_schema:
                members.pop("outputSchema", None)
            self._built[key] = msgspec.json.encode(members)
        return self._built[key]


@attrs.frozen(eq=False)
class Tool(_Named):
    facts: ToolFacts = attrs.field(default=ToolFacts(), kw_only=True, repr=False)
    has_output_schema: bool = attrs.field(default=False, kw_only=True, repr=False)
    parameters: tuple[str, ...] = attrs.field(default=(), kw_only=True, repr=False)
    """Names of its arguments."""
    header_map: Mapping[tuple[str, ...], str] = attrs.field(factory=dict, kw_only=True, repr=False)


@attrs.frozen(eq=False)
class Prompt(_Named):
    pass


@attrs.frozen(eq=False)
class Resource:
    server: str
    uri: str
    definition: bytes = attrs.field(repr=False)


@attrs.frozen(eq=False)
class Template:
    server: str
    uri_template: str
    definition: bytes = attrs.field(repr=False)


class _Annotations(msgspec.Struct):
    title: Any = None
    readOnlyHint: Any = None  # noqa: N815 - the protocol's spelling, here and below
    destructiveHint: Any = None  # noqa: N815
    idempotentHint: Any = None  # noqa: N815
    openWorldHint: Any = None  # noqa: N815


class _Definition(msgspec.Struct):
    """What is read of a tool or prompt. Anything else in it, and any odd type of what is optional, is left as it is."""

    name: str
    title: Any = None
    description: Any = None
    inputSchema: Any = None  # noqa: N815
    outputSchema: Raw = Raw()  # noqa: N815
    annotations: Any = None


class _Resource(msgspec.Struct):
    uri: str


class _Template(msgspec.Struct):
    uriTemplate: str  # noqa: N815


_definition = msgspec.json.Decoder(_Definition)
_resource = msgspec.json.Decoder(_Resource)
_template = msgspec.json.Decoder(_Template)


def tool(
    server: str, raw: bytes, *, prefix: bool = True, mask: Callable[[str], str] = str, headers: bool = False
) -> Tool:
    """``mask`` hides real values in what goes on the log; ``headers``: some arguments may travel as headers, too.

    Raises ``ValueError`` with the reason why it is not taken.
    """
    found = _read(_definition, raw)
    _check(names.refusal_of_tool(found.name))
    hints = _hints(found.annotations)
    schema = found.inputSchema if isinstance(found.inputSchema, dict) else {}
    properties = schema.get("properties")
    title = _text(found.title) or _text(hints.title)
    return Tool(
        server,
        found.name,
        raw,
        title,
        _text(found.description) or "",
        prefix,
        facts=ToolFacts(
            title=mask(title) if title is not None else None,
            read_only=_flag(hints.readOnlyHint),
            destructive=_flag(hints.destructiveHint),
            idempotent=_flag(hints.idempotentHint),
            open_world=_flag(hints.openWorldHint),
            definition=_digest(raw),
        ),
        has_output_schema=bytes(found.outputSchema) not in (b"", b"null"),
        parameters=tuple(properties) if isinstance(properties, dict) else (),
        header_map=_header_map(raw, schema, strict=headers),
    )


def prompt(server: str, raw: bytes, *, prefix: bool = True) -> Prompt:
    """Raises ``ValueError`` with the reason why it is not taken."""
    found = _read(_definition, raw)
    _check(names.refusal(found.name))
    return Prompt(server, found.name, raw, _text(found.title), _text(found.description) or "", prefix)


def resource(server: str, raw: bytes) -> Resource:
    """Raises ``ValueError`` with the reason why it is not taken; so does ``template``."""
    uri = _read(_resource, raw).uri
    _check(names.refusal_of_address(uri))
    return Resource(server, uri, raw)


def template(server: str, raw: bytes) -> Template:
    uri = _read(_template, raw).uriTemplate
    _check(names.refusal_of_address(uri))
    return Template(server, uri, raw)


def _read(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"its definition cannot be read: {error}") from error


def _check(reason: str | None) -> None:
    if reason is not None:
        raise ValueError(reason)


def _hints(annotations: Any) -> _Annotations:
    return msgspec.convert(annotations, _Annotations) if isinstance(annotations, dict) else _Annotations()


def _digest(raw: bytes) -> str:
    """The same for the same definition, in whatever order its members come: key order has no meaning."""
    return hashlib.sha256(msgspec.json.encode(msgspec.json.decode(raw), order="sorted")).hexdigest()


def _header_map(raw: bytes, schema: dict[str, Any], *, strict: bool) -> dict[tuple[str, ...], str]:
    """``strict``: a tool whose headers break the rules is not taken, as the protocol asks of clients over HTTP."""
    if b"x-mcp-header" not in raw:
        return {}
    from mcp.shared.inbound import find_invalid_x_mcp_header, x_mcp_header_map

    wrong = find_invalid_x_mcp_header(schema)
    if wrong is not None and strict:
        raise ValueError(f"what it says of headers breaks the protocol's rules: {wrong}")
    return {} if wrong is not None else x_mcp_header_map(schema)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None
