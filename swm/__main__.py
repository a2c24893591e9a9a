"""``python -m swm``."""

import sys

from swm.cli import main

sys.exit(main())
