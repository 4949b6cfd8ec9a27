"""Letters of other scripts that look like ASCII letters or digits.

Source: Unicode Technical Standard 39, confusables.txt, single letters of the scripts that computers commonly show;
those that compatibility normalisation already folds to ASCII (full-width, mathematical) are found by that instead.
"""

from typing import Final

_BY_SCRIPT: Final = (
    "ՍՏՕագզհոռսցքօ"  # Armenian
    "ᐯᑌᑭᑯᑲᒍᒪᒿᕁᕼᕽᖇᖯᖴᗅᗞᗪᗰᗷ"  # Canadian
    "ᎠᎡᎢᎥᎩᎪᎫᎬᎳᎷᎻᎽᏀᏂᏃᏎᏏᏒᏔᏕᏙᏚᏞᏟᏢᏦᏧᏮᏳᏴꭵꮁꮃꮓꮩꮪꮯ"  # Cherokee
    "ϨⲅⲎⲒⲔⲘⲚⲞⲟⲢⲣⲤⲥⲦⲨⲬⳊⳌⳐⳒ"  # Coptic
    "ЅІЈАВЕЗКМНОРСТУХЬабгеорсухѕіјѡѴѵҮүһҽӀӏӠԁԌԛԜԝꙄꙇ"  # Cyrillic
    "ყჿ"  # Georgian
    "ͺͿΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγινορσυϒϜϱϲϳϹϺᴦι"  # Greek
    "ıƄƍƖƦƧƷƼƽǀȜȢȣɑɡɣɩɪɯʋʏᴄᴏᴑᴜᴠᴡᴢᶃᶌẝỿꜱꝚꝪꝮꞘꞙꞟꞫꞲꞳꞴꬲꬵꬽꭇꭈꭎꭒꭚ"  # Latin
    "ꓐꓑꓒꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ"  # Lisu
    "ᚷᛁᛕᛖ"  # Runic
    "ⴸⴹⵏⵔⵕⵝ"  # Tifinagh
)

LOOKALIKES: Final = frozenset("".join(_BY_SCRIPT))

PUNCTUATION: Final = frozenset("․﹒ꓸ⁄∕⧸╱⟋：︰꞉∶ː։˸ꓽ＠﹫﹍﹎﹏‐‑⁃˗−﹘∖⧵＼﹨＊∗⁎")
"""Signs that look like the ones which structure addresses, paths and patterns."""
