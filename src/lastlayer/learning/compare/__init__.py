"""The quadratic cost beside cross-entropy: same start, same data, same rate."""
