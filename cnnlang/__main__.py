"""`python -m cnnlang` is the command line."""

from __future__ import annotations

import sys

from cnnlang.cli import main

sys.exit(main())
