"""How far two people read the same text: edit distance in which an unreadable character fits any."""

from __future__ import annotations

from functools import lru_cache

from workbench.domain.headstamp import normalised_text

#: What labellers write for a character that cannot be read; it fits any one character, at no cost.
WILDCARD = "?"


def character_errors(first: str, second: str) -> tuple[int, int]:
    """Return how many characters must be changed, added or taken away, and the length of the longer text.

    Texts are compared in one form (NFKC, capitals, single spaces). `WILDCARD` in either fits any one character of the
    other: who writes ``?`` says that something stands there, not what. The quotient of the two is the character error
    rate, here with the longer text below, as neither of two labellers is the reference: it lies in [0, 1] and is the same
    both ways (Levenshtein, 1966).

    Examples
    --------
    >>> character_errors("WRA 9?", "wra 92")
    (0, 6)
    >>> character_errors("LC 71", "LC 17")
    (2, 5)
    >>> character_errors("A??", "A")
    (2, 3)

    """
    return _errors(normalised_text(first) or "", normalised_text(second) or "")


@lru_cache(maxsize=65536)
def _errors(first: str, second: str) -> tuple[int, int]:
    longer = max(len(first), len(second))
    if first == second:
        return 0, longer
    above = list(range(len(second) + 1))
    for row, one in enumerate(first, start=1):
        line = [row]
        for column, other in enumerate(second, start=1):
            fits = one == other or WILDCARD in (one, other)
            line.append(min(above[column] + 1, line[-1] + 1, above[column - 1] + (not fits)))
        above = line
    return above[-1], longer
