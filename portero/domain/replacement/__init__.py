"""Replacement of fake by real values and back, inside JSON texts and plain ones, in one pass.

What matches: the leftmost, and of those that begin together the longest; anywhere in a string value or key, also inside
a word unless the entry says ``whole_word``; composed and decomposed Unicode alike; spelt as ``spelling`` says. What was
put in is not looked at again in the same direction, so nothing chains. Numbers are replaced only where a whole number
is exactly the digits of an entry; everything else that is not a string, and base64, stays as it is.
"""

from portero.domain.replacement.entry import REDACTED, Entry
from portero.domain.replacement.replacer import Replacer

__all__ = ["REDACTED", "Entry", "Replacer"]
