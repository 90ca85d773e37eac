"""`python -m loratui` is `loratui`."""

from loratui.cli import main

main()
