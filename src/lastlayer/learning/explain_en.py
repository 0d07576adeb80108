"""The English words of `lastlayer explain`. `explain_zh` has the same keys."""

WORDS = {
    # ------------------------------------------------------------------ around the steps
    "head": "Cross-entropy step by step: {rows} × {classes} (rows × classes), losses in {unit}",
    "class": "class",
    "row": "row {row}",
    "ignored": "ignored",
    "more_rows": "… {n:,} more rows",
    "more_rows_1": "… 1 more row",
    "more_classes": "… {n:,} more classes",
    "more_classes_1": "… 1 more class",
    "note": "Note: ",
    "between": " ",
    "unit.e": "nats",
    "unit.2": "bits",
    "unit.10": "hartleys",
    "unit.other": "units of base {base}",
    # ------------------------------------------------------------------ the columns' heads
    "name.max": "max",
    "name.labels": "labels",
    "name.picked": "picked",
    "name.loss": "loss",
    "name.before": "L before",
    "name.after": "L after",
    "name.p_before": "{q} before",
    "name.p_after": "{q} after",
    # ------------------------------------------------------------------ the steps
    "logits.title": "The raw outputs",
    "logits.why": "The last layer returns one number per class, a logit. A row is one example. "
    "The numbers can have any size and sign, so they are not yet probabilities.",
    "maximum.title": "Each row's maximum",
    "maximum.why": "It is found only to be subtracted. exp grows so fast that exp(89) is more "
    "than float32 can hold, and exp(710) more than float64 can.",
    "shifted.title": "The shifted rows",
    "shifted.why": "Subtracting one number from a whole row divides all its exponentials by the "
    "same factor, which cancels when they are divided by their sum. The probabilities stay the "
    "same, and now no entry is above 0, so no exponential is above 1.",
    "exponentials.title": "The exponentials and their sum",
    "exponentials.why": "exp makes every number positive and keeps the order: a logit larger by 1 "
    "weighs e ≈ 2.718 times as much. The maximum contributes exp(0) = 1, so the sum S is at least "
    "1 and can be divided by.",
    "probabilities.title": "The probabilities",
    "probabilities.why": "Dividing by S makes each row add up to 1. This is softmax: the share of "
    "its belief that the model gives to each class.",
    "given.title": "The probabilities, as given",
    "given.why": "Each row already adds up to 1, so there is no softmax to compute. What rounding "
    "has taken from these numbers cannot be recovered: for exact losses start from the logits.",
    "logs.title": "Their logarithms",
    "logs.why": "log p is 0 where p is 1 and falls without bound as p goes to 0. Logarithms add "
    "where probabilities multiply, so the logs of many examples can be summed. They are computed "
    "as (z − m) − log S, without rounding p first.",
    "given_logs.why": "log q is 0 where q is 1 and falls without bound as q goes to 0. Logarithms "
    "add where probabilities multiply, so the logs of many examples can be summed.",
    "logs.e": "The base is e, so they count nats: 1 nat is what an outcome of probability 1/e ≈ "
    "0.368 tells.",
    "logs.2": "The base is 2, so they count bits: 1 bit is what one toss of a fair coin tells; it "
    "is ln 2 ≈ 0.693 nats, and 1 nat is what an outcome of probability 1/e tells.",
    "logs.10": "The base is 10, so they count hartleys: 1 hartley is what one random decimal "
    "digit tells; it is ln 10 ≈ 2.303 nats, and 1 nat is what an outcome of probability 1/e tells.",
    "logs.other": "The base is {base}: one unit is ln {base} = {nats} nats, and 1 nat is what an "
    "outcome of probability 1/e ≈ 0.368 tells.",
    "picked.title": "The entries that the labels pick",
    "picked.why": "A label written as a one-hot row has a 1 at the true class and 0 elsewhere. "
    "Multiplied with the logs and summed, it leaves the log of the true class alone. The other "
    "classes count only through their share of S. The picked entries are marked in every step.",
    "given_picked.why": "A label written as a one-hot row has a 1 at the true class and 0 "
    "elsewhere. Multiplied with the logs and summed, it leaves the log of the true class alone. "
    "The picked entries are marked in every step.",
    "soft_picked.why": "Here each label is a distribution over the classes. Multiplied with the "
    "logs and summed, it takes every log at its weight; a weight of 0 takes nothing, whatever the "
    "log. A one-hot row, a single 1, would pick one entry.",
    "losses.title": "The column of losses",
    "losses.why": "The sign is turned, so that less is better: 0 for a right answer given with "
    "certainty, and more the less probability the label was given.",
    "mean.title": "The mean",
    "mean.why": "One number for the batch, whatever its size: the cross-entropy.",
    "binary.title": "The other form",
    "binary.why": "The binary form asks yes or no about every class, so the wrong classes are "
    "charged as well, each by its own log(1 − {q}). It belongs to independent outputs (sigmoid), "
    "where several labels can hold at once. Softmax outputs exclude one another: use the first "
    "form.",
    "gradient.title": "The gradient",
    "gradient.why": "How the mean changes with each raw output: probability minus label, divided "
    "by the number of rows that count. It is negative where the model gives less than the label "
    "asks, at the true class, and positive at the others; each row sums to 0.",
    "gradient.base": "The factor ln {base} comes from the base of the logarithm.",
    "gradient.exact": "At the label it is computed as −(the other exponentials) / S, because p − "
    "1 is 0 as soon as p rounds to 1.",
    "gradient.given": "The probabilities are taken as the softmax of the logits z = ln q, which "
    "gives back q; the gradient is with respect to this z.",
    "step.title": "One step down the gradient",
    "step.why": "The raw outputs move against the gradient by the learning rate η = {rate}, and "
    "softmax is taken again. In a network the gradient goes on to the weights, and they move; "
    "here the outputs move by themselves.",
    # ------------------------------------------------------------------ notes on these numbers
    "note.special": "{where} holds a NaN, a +inf or nothing but −inf. It has no probabilities: "
    "NaN in this row, and so in the mean.",
    "note.masked": "{where} has −inf for a class. Its exponential is 0: the class is excluded, "
    "with a probability of exactly 0.",
    "note.unshifted": "Without the shift {where} would be lost in {dtype}: there exp({z}) is "
    "{naive}, and {naive}/{naive} is NaN.",
    "note.log": "In {where} p rounds to {p} in {dtype}, and its log would be {naive}. The log "
    "that is right is {exact}.",
    "note.ignored": "{where} has the label −100, which means: ignore. Its loss and gradient are 0 "
    "and the mean leaves it out.",
    "note.weights": "The label of {where} sums to {total}, not to 1; the loss and gradient take "
    "it as it is, the gradient as {total} p − t.",
    "note.infinite": "The label of {where} was given the probability 0. The loss is infinite: "
    "what was held impossible is the truth.",
    "note.geometric": "{base}^(−{mean}) = {p}: the geometric mean of the probabilities that the "
    "labels were given.",
    "note.empty": "No row counts, and a mean over nothing is NaN.",
    "note.gradient": "In {where} the entry is {exact}. Computed from p − 1 in {dtype} it would be "
    "{naive}, and the row would teach nothing or the wrong amount.",
    "note.rose": "The mean rose: a step this long goes past the minimum. Try a smaller learning "
    "rate.",
    "at_least": "at least ",
    "where": "row {row}",
    "where_many": "row {row} (and {n} more like it)",
    "cell": "row {row}, class {column},",
    "cell_many": "row {row}, class {column} (and {n} more like it),",
}
