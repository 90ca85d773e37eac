"""`python -m engine RUN_DIR`: work at one run in this process."""

import sys

from engine.worker import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
