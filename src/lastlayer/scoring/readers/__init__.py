"""Files of predictions and labels, however large, as blocks of rows."""

from __future__ import annotations

from lastlayer.scoring.readers.predictions import (
    Block,
    Predictions,
    has_labels,
    open_predictions,
)

__all__ = ["Block", "Predictions", "has_labels", "open_predictions"]
