"""Foreign text is shown as what it is."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.telegram.render.visible import Replaced, atoms, visible, visible_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, as it is", "plain text, as it is"),
        ("two\nlines", "two⏎lines"),
        ("a\ttab", "a⇥tab"),
        ("end of line ", "end of line␠"),
        ("   ", "␠␠␠"),
        ("\r\n", "⟨U+000D⟩⏎"),
        ("\x00\x1b[2J", "⟨U+0000⟩⟨U+001B⟩[2J"),
        ("\u202egnp.exe", "⟨U+202E⟩gnp.exe"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("soft\u00adhyphen", "soft⟨U+00AD⟩hyphen"),
        ("no\u00a0break", "no⟨U+00A0⟩break"),
        ("line\u2028separator", "line⟨U+2028⟩separator"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("half a pair \ud83d", "half a pair ⟨U+D83D⟩"),
        ("z\u0335\u0336\u0337\u0338", "z\u0335\u0336⟨U+0337⟩⟨U+0338⟩"),
        (" \u0301alone", " ⟨U+0301⟩alone"),
        ("⏎ and ⟪fake⟫", "⟨U+23CE⟩ and ⟨U+27EA⟩fake⟨U+27EB⟩"),
        ("a" + " " * 40 + "b", "a" + "␠" * 40 + "b"),
        ("    indented", "    indented"),
    ],
)
def test_what_hides_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("p\u0430ypal", "p⟨U+0430⟩ypal"),
        ("\u0440\u0430\u0443\u0440\u0430l.com", "⟨U+0440⟩⟨U+0430⟩⟨U+0443⟩⟨U+0440⟩⟨U+0430⟩l.com"),
        ("\u0430\u0440\u0440\u04cf\u0435", "⟨U+0430⟩⟨U+0440⟩⟨U+0440⟩⟨U+04CF⟩⟨U+0435⟩"),
        ("\uff50ay", "⟨U+FF50⟩ay"),
        ("\U0001d429\U0001d41a\U0001d432", "⟨U+1D429⟩⟨U+1D41A⟩⟨U+1D432⟩"),
        ("example\u2024com", "example⟨U+2024⟩com"),
        ("http:\u2215\u2215x", "http:⟨U+2215⟩⟨U+2215⟩x"),
        ("m\u0131crosoft.com", "m⟨U+0131⟩crosoft.com"),
    ],
)
def test_what_passes_for_ascii_is_marked(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Привет, он с нами, а Москва — море огней",
        "Καλημέρα, ο ήλιος",
        "Ivan Yılmaz, Çağrı",
        "José Müller, Ørsted, naïve",
        "日本語、１２ではない",
        "นี่คือภาษาไทย",
        "hello 👍🏽 ❤️ 👨‍👩‍👧",
    ],
)
def test_real_writing_stays_readable(text: str) -> None:
    expected = text.replace("１２", "⟨U+FF11⟩⟨U+FF12⟩")
    assert visible(text) == expected


def test_right_to_left_text_is_fenced() -> None:
    assert visible("שלום") == "\u2068שלום\u2069"


def test_lines_are_kept_with_their_newlines_shown() -> None:
    assert list(visible_lines("one\n two \n")) == ["one⏎", " two␠⏎", ""]


def test_replaced_values_are_marked_and_reals_told_only_when_given() -> None:
    assert "".join(atoms("Dear Jane, bye", [Replaced(5, 9)])) == "Dear ⟪Jane⟫, bye"
    assert "".join(atoms("Jane", [Replaced(0, 4, "John\n")])) == "⟪Jane → John⏎⟫"
    assert "".join(atoms("ab", [Replaced(0, 1), Replaced(1, 2)])) == "⟪a⟫⟪b⟫"


HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
EMOJI_PARTS = {"\u200d", "\ufe0f"}
FENCES = {"\u2068", "\u2069"}


@given(st.text())
def test_nothing_hidden_survives(text: str) -> None:
    shown = visible(text)
    assert "\n" not in shown
    left = {c for c in shown if unicodedata.category(c) in HIDDEN} - EMOJI_PARTS - FENCES
    assert left == set()
    assert shown.count("\u2068") == shown.count("\u2069")


@given(st.text(), st.text())
def test_two_texts_never_look_the_same(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) is (one == other)


@given(st.text(alphabet=st.sampled_from("ab\n \t⏎⟨⟩U+04\u202e\u0430")), st.text(alphabet="ab\n \t⏎⟨⟩U+04\u202e\u0430"))
def test_two_texts_of_our_own_signs_never_look_the_same(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) is (one == other)
