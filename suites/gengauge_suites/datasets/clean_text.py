"""Makes the text that ships out of Debian's copy of The Devil's Dictionary.

python -m gengauge_suites.datasets.clean_text devil.dict.dz > devils_dictionary.txt

``devil.dict.dz`` lies in the package ``dict-devil`` under ``usr/share/dictd``. The result is the
same bytes whenever it is made: a test holds the shipped file to its SHA-256.
"""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

_FIRST, _LAST = "ABASEMENT, n.", "abcdefghijklmnopqrstuvwxyz"


def clean(raw: str) -> str:
    """Return the dictionary's entries, the wrapped lines of each paragraph joined.

    What goes is the edition's front matter, the archive's last line, the braces of its cross
    references and all indentation; verse and dialogue keep their lines.

    >>> raw = "notes\\n\\nABASEMENT, n.  See\\n{BRUTE}.\\n\\n   Verse,\\n     A.B.\\n\\n" + _LAST
    >>> print(clean(raw))
    ABASEMENT, n. See BRUTE.
    <BLANKLINE>
    Verse,
    A.B.
    <BLANKLINE>
    """
    body = raw[raw.index(_FIRST) : raw.rindex(_LAST)]
    body = re.sub(r"[{}]", "", body)
    paragraphs = [_paragraph(block) for block in re.split(r"\n\s*\n", body) if block.strip()]
    return "\n\n".join(paragraphs) + "\n"


def _paragraph(block: str) -> str:
    lines = [line for line in block.split("\n") if line.strip()]
    verse = lines[0].startswith(" ")
    tidy = [" ".join(line.split()) for line in lines]
    return ("\n" if verse else " ").join(tidy)


def main() -> None:
    """Write the cleaned text of the file named on the command line to standard output."""
    with gzip.open(Path(sys.argv[1]), "rt", encoding="ascii") as file:
        sys.stdout.write(clean(file.read()))


if __name__ == "__main__":
    main()
