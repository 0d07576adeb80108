"""To learn or teach with: the computation step by step, and why cross-entropy trains."""
