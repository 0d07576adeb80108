"""Predictions of any size to log-loss, perplexity, accuracy and calibration."""
