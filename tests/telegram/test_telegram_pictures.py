"""The README's pictures are of the cards as they are now."""

from tests.telegram.pictures import FOLDER, pictures


def test_pictures_are_up_to_date() -> None:
    drawn = pictures()
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(drawn)
    for name, svg in drawn.items():
        assert (FOLDER / f"{name}.svg").read_text() == svg, "python -m tests.telegram.pictures"
