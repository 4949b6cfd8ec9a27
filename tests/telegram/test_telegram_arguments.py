"""Arguments are taken apart without changing one of them."""

import json

import pytest

from portero.telegram.render.arguments import REQUEST, Raw, label, parse


def shown(text: str, extra: str | None = None) -> list[tuple[str, str]]:
    return [(label(leaf.path, lambda key: key), leaf.text) for leaf in parse(text, extra).leaves]


def test_every_value_is_a_leaf() -> None:
    text = '{"to":["a","b"],"n":{"x":null,"y":[]},"z":{},"s":""}'
    assert shown(text) == [("to[0]", "a"), ("to[1]", "b"), ("n.x", "null"), ("n.y", "[]"), ("z", "{}"), ("s", "")]


@pytest.mark.parametrize(
    "number", ["1", "-0", "1.0", "1e400", "12345678901234567890123", "0.1000000000000000055511151231257827"]
)
def test_numbers_keep_their_spelling(number: str) -> None:
    [leaf] = parse(f'{{"n":{number}}}').leaves
    assert leaf.value == Raw(number)


def test_a_repeated_key_is_seen() -> None:
    leaves = parse('{"amount":1,"amount":1000,"b":2}').leaves
    assert [(leaf.text, leaf.repeated) for leaf in leaves] == [("1", True), ("1000", True), ("2", False)]
    assert parse('{"amount":1,"amount":1000}').at("amount") is None


def test_keys_that_are_no_names_are_quoted() -> None:
    assert shown('{"a.b":1,"c":{"d e":2},"(request)":3}') == [
        ('["a.b"]', "1"),
        ('c["d e"]', "2"),
        ('["(request)"]', "3"),
    ]


def test_other_members_of_the_request_are_leaves_too() -> None:
    assert shown('{"a":1}', '{"state":"x"}') == [("a", "1"), ("(request).state", "x")]
    assert parse('{"a":1}', '{"state":"x"}').leaves[1].path == (REQUEST, "state")


def test_no_arguments_are_no_leaves() -> None:
    assert parse("{}").leaves == ()
    assert parse("").leaves == ()


@pytest.mark.parametrize("depth", [62, 990, 5000, 200_000])
def test_what_is_too_deep_is_kept_as_its_text(depth: int) -> None:
    text = "[" * depth + "]" * depth
    arguments = parse(text)
    assert not arguments.whole
    assert [leaf.text for leaf in arguments.leaves] == [text]


def test_many_keys_take_no_quadratic_time() -> None:
    pairs = ",".join(f'"k{n}":{n}' for n in range(50_000))
    assert len(parse(f'{{{pairs},"k1":0}}').leaves) == 50_001


def test_half_a_surrogate_pair_is_no_obstacle() -> None:
    assert shown('{"a":"\\ud83d"}') == [("a", "\ud83d")]
    assert shown(json.dumps({"\ud83d": 1})) == [('["\ud83d"]', "1")]
