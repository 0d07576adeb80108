"""What holds for the whole run."""

from __future__ import annotations

import gc

# Compiling a kernel makes hundreds of thousands of objects that live on: looking through them for
# rubbish over and over takes a fifteenth of the time.
gc.set_threshold(200_000, 50, 100)
