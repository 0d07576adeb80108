"""Files of predictions and labels, however large, as blocks of rows."""

from __future__ import annotations

from lastlayer.scoring.readers.opening import has_labels, open_predictions
from lastlayer.scoring.readers.predictions import Block, Predictions

__all__ = ["Block", "Predictions", "has_labels", "open_predictions"]
