"""Events come back as they went in; older shapes are lifted, unknown ones passed over, damage is noticed."""

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.domain.events import EVENT_TYPES, Event, Meta
from portero.domain.values import Actor
from portero.errors import LogDivergence
from portero.log.codec import SCHEMA, decode, decode_meta, encode, encode_meta
from tests.log.support import NOW, READ, requested

texts = st.text(st.characters(exclude_categories=["Cs"]))
whole = st.integers(-(2**63), 2**63 - 1)
st.register_type_strategy(str, texts)
st.register_type_strategy(int, whole)
events = st.one_of([st.from_type(cls) for cls in EVENT_TYPES.values()])


@given(events)
def test_every_event_comes_back(event: Event) -> None:
    name, data = encode(event)
    assert EVENT_TYPES[name] is type(event)
    assert decode(name, SCHEMA, data) == event
    assert decode(name, SCHEMA, data, {name: {SCHEMA: dict}}) == event  # lifted, though there is nothing to lift


@given(st.from_type(Meta))
def test_every_origin_comes_back(meta: Meta) -> None:
    assert decode_meta(encode_meta(meta)) == meta


def test_the_json_is_for_people_and_other_programs() -> None:
    assert encode(READ) == ("ResultRead", b"{}")
    name, data = encode(requested())
    assert (name, msgspec.json.decode(data)["arguments"]) == ("ToolCallRequested", '{"path":"a"}')
    meta = msgspec.json.decode(encode_meta(Meta(NOW, Actor("cli", "x", "X"), "r1", "w1")))  # type: ignore[arg-type]
    assert (meta["at"], meta["actor"]["name"], meta["replica"], meta["write"]) == (NOW, "X", "r1", "w1")


def test_what_this_release_does_not_know_is_passed_over() -> None:
    assert decode("TeapotBoiled", SCHEMA, b"{}") is None
    assert decode("ToolCallRequested", SCHEMA + 1, b'{"other":1}') is None


def test_a_newer_release_may_add_to_what_is_known() -> None:
    _, data = encode(requested())
    more = msgspec.json.encode({**msgspec.json.decode(data), "colour": "blue"})
    assert decode("ToolCallRequested", SCHEMA + 1, more) == requested()


def test_older_shapes_are_lifted_step_by_step() -> None:
    def split(raw: dict[str, Any]) -> dict[str, Any]:
        upstream, _, name = raw.pop("tool").partition("/")
        return {**raw, "upstream": upstream, "name": name}

    def bytes_of(raw: dict[str, Any]) -> dict[str, Any]:
        return {**raw, "arguments_bytes": len(raw["arguments"])}

    old = msgspec.to_builtins(requested())
    old["tool"] = f"{old.pop('upstream')}/{old.pop('name')}"
    del old["arguments_bytes"]
    lifts = {"ToolCallRequested": {2: bytes_of, 1: split}}
    assert decode("ToolCallRequested", 1, msgspec.json.encode(old), lifts) == requested()
    newer = {**old, "upstream": "fs", "name": "read_file"}
    assert decode("ToolCallRequested", 2, msgspec.json.encode(newer), lifts) == requested()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"client":1}', b'{"client":"a"}', b"\xff"])
def test_damage_is_noticed(data: bytes) -> None:
    with pytest.raises(LogDivergence, match="a ToolCallRequested on the log cannot be read"):
        decode("ToolCallRequested", SCHEMA, data)
    with pytest.raises(LogDivergence, match="no readable origin"):
        decode_meta(data)


@pytest.mark.parametrize("name", ["ExecutionSucceeded", "LateOutcomeRecorded"])
def test_of_a_result_that_an_older_release_wrote_into_an_event_only_the_digest_is_taken(name: str) -> None:
    old = b'{"is_error":false,"result":"{\\"content\\":[]}","result_blob":null,"result_bytes":14}'
    event: Any = decode(name, 1, old)
    assert event.result_digest == hashlib.sha256(b'{"content":[]}').hexdigest()
    assert (event.result_blob, event.result_bytes) == (None, 14)
    kept: Any = decode(name, 1, b'{"is_error":false,"result":null,"result_blob":"c.result.1","result_bytes":9000}')
    assert (kept.result_blob, kept.result_digest, kept.result_bytes) == ("c.result.1", None, 9000)
    assert decode(name, 2, encode(event)[1]) == event
