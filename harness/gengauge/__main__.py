"""``python -m gengauge``."""

from gengauge.cli import main

main()
