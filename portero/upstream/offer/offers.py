"""What an upstream offers, one value each: tools, prompts, resources and resource templates.

Names, addresses and definitions have fakes in the place of real values. What a thing is really called is ``there``,
which is for its upstream only: it is left out of every repr, and stands on no log.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import msgspec
from msgspec import Raw

from portero.domain.values import ToolFacts
from portero.upstream.offer import names
from portero.upstream.offer.masking import Masks
from portero.upstream.offer.names import Spelling

_members = msgspec.json.Decoder(dict[str, Raw])


@attrs.frozen(eq=False)
class _Named:
    """A tool or a prompt. ``definition``: the upstream's JSON as it came, but for real values."""

    server: str
    name: str
    """The upstream's own name, but for real values."""
    there: str = attrs.field(repr=False)
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
    there: str = attrs.field(repr=False)
    definition: bytes = attrs.field(repr=False)

    @property
    def name(self) -> str:
        """What it is known by."""
        return self.uri


@attrs.frozen(eq=False)
class Template:
    server: str
    uri_template: str
    there: str = attrs.field(repr=False)
    definition: bytes = attrs.field(repr=False)

    @property
    def name(self) -> str:
        """What it is known by."""
        return self.uri_template


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
    server: str,
    raw: bytes,
    masks: Masks,
    *,
    prefix: bool = True,
    mask: Callable[[str], str] = str,
    headers: bool = False,
) -> Tool:
    """``mask`` hides secrets in what goes on the log; ``headers``: some arguments may travel as headers, too.

    Raises ``ValueError`` with the reason why it is not taken.
    """
    found = _read(_definition, raw)
    name, definition, shown = _known(masks, _definition, raw, "name", found.name)
    _check(names.refusal_of_tool(name))
    hints = _hints(shown.annotations)
    schema = shown.inputSchema if isinstance(shown.inputSchema, dict) else {}
    properties = schema.get("properties")
    title = _text(shown.title) or _text(hints.title)
    return Tool(
        server,
        name,
        found.name,
        definition,
        title,
        _text(shown.description) or "",
        prefix,
        facts=ToolFacts(
            title=mask(title) if title is not None else None,
            read_only=_flag(hints.readOnlyHint),
            destructive=_flag(hints.destructiveHint),
            idempotent=_flag(hints.idempotentHint),
            open_world=_flag(hints.openWorldHint),
            definition=_digest(definition),
        ),
        has_output_schema=bytes(shown.outputSchema) not in (b"", b"null"),
        parameters=tuple(properties) if isinstance(properties, dict) else (),
        header_map=_header_map(raw, found.inputSchema if isinstance(found.inputSchema, dict) else {}, strict=headers),
    )


def prompt(server: str, raw: bytes, masks: Masks, *, prefix: bool = True) -> Prompt:
    """Raises ``ValueError`` with the reason why it is not taken."""
    found = _read(_definition, raw)
    name, definition, shown = _known(masks, _definition, raw, "name", found.name)
    _check(names.refusal(name))
    return Prompt(server, name, found.name, definition, _text(shown.title), _text(shown.description) or "", prefix)


def resource(server: str, raw: bytes, masks: Masks) -> Resource:
    """Raises ``ValueError`` with the reason why it is not taken; so does ``template``."""
    found = _read(_resource, raw)
    _check(names.refusal_of_address(found.uri))
    uri, definition, _ = _known(masks, _resource, raw, "uri", found.uri)
    _check(names.refusal_of_address(uri))
    return Resource(server, uri, found.uri, definition)


def template(server: str, raw: bytes, masks: Masks) -> Template:
    found = _read(_template, raw)
    _check(names.refusal_of_address(found.uriTemplate))
    masks.template(found.uriTemplate)
    uri, definition, _ = _known(masks, _template, raw, "uriTemplate", found.uriTemplate)
    return Template(server, uri, found.uriTemplate, definition)


def _known(
    masks: Masks, decoder: msgspec.json.Decoder[Any], raw: bytes, member: str, given: str
) -> tuple[str, bytes, Any]:
    """What a thing is known by, and its definition as it is shown, read too. ``member`` of it is ``given``."""
    name, definition = masks.name(given), masks.definition(raw)
    shown = _read(decoder, definition)
    if getattr(shown, member) != name:
        raise ValueError("its definition says another name once real values are replaced")
    return name, definition, shown


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


def _digest(definition: bytes) -> str:
    """The same for the same definition, in whatever order its members come: key order has no meaning.

    Of what is shown, because it stands on the log, where a real value in it could be found by trying.
    """
    return hashlib.sha256(msgspec.json.encode(msgspec.json.decode(definition), order="sorted")).hexdigest()


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
