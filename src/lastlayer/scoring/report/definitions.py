"""What the numbers of a report are: a line, a formula and a source each."""

from __future__ import annotations

from lastlayer.scoring.report.tables import Table

# p: the probabilities of a row, y its label, ŷ the class with the largest probability;
# N rows count; a bin b has n rows, the accuracy acc and the mean confidence conf.
DEFINITIONS = (
    ("Loss", "L = −(1/N) Σ log p[y]", "The mean cross-entropy (log-loss), in nats; 0 is best."),
    ("Perplexity", "exp(L)", "Between how many equally likely classes the predictions hesitate."),
    ("Bits", "L / log 2", "The loss in bits: what it costs to encode a label."),
    ("Bits a byte", "L · N / (bytes · log 2)", "The same for each byte of the text."),
    ("Accuracy", "(1/N) Σ [ŷ = y]", "The share of rows whose largest probability is the label's."),
    ("Top-k accuracy", "(1/N) Σ [rank(y) ≤ k]", "The label is among the k most probable classes."),
    ("Mean rank", "(1/N) Σ rank(y)", "The label's place by probability; 1 is best."),
    (
        "Brier score",
        "(1/N) Σ Σⱼ (pⱼ − [j = y])²",
        "The squared error of the probabilities, 0 to 2 (Brier 1950).",
    ),
    (
        "ECE",
        "Σ_b (n/N) · |acc − conf|",
        "Expected calibration error, over bins of equal width (Naeini et al. 2015; Guo et al. "
        "2017).",
    ),
    (
        "Adaptive ECE",
        "Σ_b (n/N) · |acc − conf|",
        "The same over bins of equally many rows (Nguyen & O'Connor 2015).",
    ),
    (
        "MCE",
        "max_b |acc − conf|",
        "Maximum calibration error: the worst bin, however few its rows.",
    ),
    ("Confidence", "p[ŷ]", "The probability of the predicted class; at the top, the mean."),
    (
        "Entropy",
        "−Σⱼ pⱼ log pⱼ",
        "How spread a row's probabilities are, in nats; at the top, the mean.",
    ),
    (
        "Temperature",
        "T = argmin L(logits / T)",
        "Above 1 where predictions are too sure; it changes no prediction (Guo et al. 2017).",
    ),
    (
        "95 % interval",
        "2.5 % to 97.5 % of resampled means",
        "A bootstrap over blocks of rows, so that rows that resemble their neighbours do not "
        "make it too narrow; of accuracies, Wilson's for a share.",
    ),
)


def definitions() -> Table:
    """All of them, as a table."""
    return Table(
        "p: the probabilities of a row, y its label, ŷ the predicted class; N rows",
        ("Number", "Formula", "Meaning"),
        [list(row) for row in DEFINITIONS],
    )
