"""Files of predictions and labels, however large, as blocks of rows."""

from __future__ import annotations

from lastlayer.scoring.readers.predictions import Block, Predictions, open_predictions

__all__ = ["Block", "Predictions", "open_predictions"]
