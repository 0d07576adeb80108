"""The English words of the playground. `words_zh` has the same keys.

What a step of the computation is called, and why it is done, is as `lastlayer explain` says it
(`explain_en`), but for the keys that stand here too, where one row is spoken of.
"""

WORDS = {
    # ------------------------------------------------------------------ around everything
    "title": "Softmax and cross-entropy, hands on",
    "lead": "Drag a logit and watch everything that follows from it: the probabilities, the loss, "
    "and the gradient that a network would learn from.",
    "language": "Language",
    "noscript": "This page computes as you move its sliders, and needs JavaScript for it.",
    "spoken": "Cross-entropy {loss} {unit}, quadratic cost {cost}.",
    "footer": "Written by lastlayer explain --html. The page is whole in this one file and fetches "
    "nothing. Hold the pointer over a number to see all its digits.",
    # ------------------------------------------------------------------ quantities
    "logit": "logit",
    "label": "label",
    "probability": "probability",
    "gradient": "gradient",
    "cross-entropy": "Cross-entropy",
    "quadratic": "Quadratic cost",
    "length": "length of its gradient",
    "class": "class {class}",
    "label.of": "the label is class {class}",
    "share.of": "label's share of class {class}",
    "logit.of": "logit of class {class}",
    "gradient.of": "{cost}, gradient {value}",
    "remove": "remove class {class}",
    # ------------------------------------------------------------------ moving
    "move.title": "Move the logits",
    "move.why": "Each line is a class. The label says which one is right; the logits say what the "
    "network believes. Where the two agree, the gradient is short and there is little to learn.",
    "rows": "Example",
    "rows.row": "row {row}",
    "rows.more": "and {n} more in the input",
    "label.one": "one class",
    "label.soft": "a distribution",
    "base": "logarithm",
    "temperature": "temperature T",
    "add": "Add a class",
    # ------------------------------------------------------------------ going down
    "descend.title": "Go down the gradient",
    "descend.why": "Two runs begin at the logits above. One goes down the gradient of "
    "cross-entropy, the other that of the quadratic cost, with the same learning rate. Begin at a "
    "wrong answer given with certainty, and see which of them gets away from it.",
    "rate": "learning rate η",
    "follow": "the logits above follow",
    "descend.step": "Take a step",
    "descend.steps": "Take 10",
    "descend.back": "Back to the start",
    "descend.none": "No step taken yet.",
    "descend.count": "Steps taken: {n}. Cross-entropy was {from}; it is {by} in the run that goes "
    "down cross-entropy, and {other} in the run that goes down the quadratic cost.",
    "descend.axis": "steps",
    "descend.by-cross-entropy": "goes down cross-entropy",
    "descend.by-quadratic": "goes down the quadratic cost",
    "descend.chart": "{cost} by step, over {n} steps from {from}: {by} in the run that goes down "
    "cross-entropy, {other} in the run that goes down the quadratic cost.",
    # ------------------------------------------------------------------ steps
    "steps.title": "Every step, with its numbers",
    "steps.why": "How the numbers above come about, in the order in which they are computed.",
    "maximum.title": "Their maximum",
    "shifted.title": "The shifted logits",
    "exponentials.rest": "The others are summed first, without that 1, into R: however "
    "small, R is right.",
    "losses.title": "The loss",
    "losses.exact": "Where the label has the largest logit it is ln(1 + R): right also where p "
    "rounds to 1, and ln p to 0.",
    "gradient.why": "How the loss changes with each logit: probability minus label. It is negative "
    "where the model gives less than the label asks, at the true class, and positive at the "
    "others; together they are 0.",
    "quadratic.title": "The quadratic cost",
    "quadratic.why": "What classifiers were trained with before: half the squared distance between "
    "probabilities and label, d = p − t. It is never above 1, however wrong the answer.",
    "quadratic-gradient.title": "Its gradient",
    "quadratic-gradient.why": "Every entry has its own probability as a factor, and softmax mixes "
    "the rest in. A wrong answer given with certainty has a p near 0 at the label, so hardly any "
    "gradient: it learns slowest where it is most wrong.",
    "cell": "class {column},",
    "note.rose": "The loss rose: a step this long goes past the minimum. Try a smaller learning "
    "rate.",
    # ------------------------------------------------------------------ one neuron
    "neuron.title": "One neuron, two costs",
    "neuron.why": "The smallest network there is: one input, which is 1, one weight, one bias, one "
    "sigmoid output. It is to answer 0, and begins with weight 2 and bias 2: an output of "
    "0.98, wrong and sure of it. Both costs get the same start and the same learning rate.",
    "neuron.weight": "weight w",
    "neuron.bias": "bias b",
    "neuron.epochs": "epochs",
    "neuron.epoch": "epoch",
    "neuron.play": "Play",
    "neuron.pause": "Pause",
    "neuron.reset": "Reset",
    "neuron.where": "On the sigmoid",
    "neuron.output": "Output",
    "neuron.cost": "Cost",
    "neuron.slope": "Slope",
    "neuron.table": "The neuron's numbers in this epoch",
    "neuron.after": "The quadratic cost's slope has the factor a(1 − a), the sigmoid's own slope, "
    "which is nearly 0 at both ends of the curve: the ring sits on the plateau and hardly moves. "
    "In cross-entropy's slope the factor has cancelled; what is left is the error itself.",
    "neuron.spoken": "Epoch {n}: the output is {by} with cross-entropy, {other} with the quadratic "
    "cost.",
    "neuron.chart": "{what} by epoch up to epoch {n}: {by} with cross-entropy, {other} with the "
    "quadratic cost.",
    "neuron.sigmoid": "The sigmoid and both neurons on it: at z = {by} with cross-entropy, at "
    "z = {other} with the quadratic cost.",
}
