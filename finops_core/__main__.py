"""``python -m finops_core`` is the ``finops`` command."""

from finops_core.cli import main

main()
