"""The English words of `lastlayer compare`. `words_zh` has the same keys."""

WORDS = {
    # ------------------------------------------------------------------ both pages
    "quadratic": "quadratic cost",
    "cross-entropy": "cross-entropy",
    "epoch": "epoch",
    "epochs.1": "1 epoch",
    "epochs": "{count:,} epochs",
    "again": "Made by this command, which gives the same numbers again:",
    "numbers": "Every number of the curves is in compare.json, beside this page.",
    "summary": "The comparison in numbers",
    "never": "not in {epochs}",
    # ------------------------------------------------------------------ one neuron
    "neuron.title": "One neuron, two costs",
    "neuron.lead": "A single sigmoid neuron, a = σ(w · 1 + b), is to answer 0 when it is shown a "
    "1. It starts from w = {weight} and b = {bias}, and so answers {start}. Two copies of it "
    "learn at the rate {rate} for {epochs}: one goes down the quadratic cost, the other "
    "cross-entropy. Nothing else differs.",
    "neuron.row.start": "output at the start",
    "neuron.row.end": "output after {epochs}",
    "neuron.row.half": "epochs to half the first output",
    "neuron.row.cost": "cost, from → to",
    "neuron.row.gradient": "|gradient| at the start",
    "neuron.output.panel": "output a, to become 0",
    "neuron.output.title": "What it answers",
    "neuron.output.text": "The right answer is 0, so the output is also the error, a − t. "
    "{cross_half}; {quadratic_half}. They end at {cross} and {quadratic}.",
    "neuron.half.cross-entropy": "Cross-entropy halves it in {epochs}",
    "neuron.half.quadratic": "the quadratic cost takes {epochs}",
    "neuron.no_half.cross-entropy": "Cross-entropy does not halve it in {epochs}",
    "neuron.no_half.quadratic": "the quadratic cost does not halve it in {epochs}",
    "neuron.cost.panel": "cost, as a share of its start",
    "neuron.cost.title": "What it is charged",
    "neuron.cost.text": "The costs have different units, ½(a − t)² none and cross-entropy nats, "
    "so each is drawn as a share of what it was at the start. The quadratic cost goes from "
    "{q_start} to {q_end}, cross-entropy from {c_start} to {c_end} nats.",
    "neuron.cost.plateau": "For {plateau} the quadratic cost stays within a tenth of where it "
    "began. From outside this looks like a neuron that has learnt all it can, and it has hardly "
    "begun.",
    "neuron.gradient.panel": "|gradient|",
    "neuron.gradient.title": "How far it moves",
    "neuron.gradient.text": "A step is the rate times the gradient; as the input is 1, weight "
    "and bias have the same one. The first gradient of cross-entropy is {c_first}, that of the "
    "quadratic cost {q_first}: {ratio} times smaller. The quadratic cost's is largest in epoch "
    "{peak}.",
    "neuron.gradient.error": "Cross-entropy's gradient is the error itself: its curve here is "
    "that of the first picture. The further from right, the longer the step.",
    "neuron.derivative.panel": "σ′(z) = a (1 − a)",
    "neuron.derivative.name.quadratic": "slows the\nquadratic cost",
    "neuron.derivative.name.cross-entropy": "cross-entropy\nis free of it",
    "neuron.derivative.title": "What holds it back",
    "neuron.derivative.text": "The derivative of the sigmoid, at the z of each epoch. It is ¼ "
    "where the neuron is undecided, a = ½, and nearly 0 where it is sure, be it right or wrong. "
    "The quadratic cost's gradient is the error times this curve: epoch by epoch, the first "
    "picture times this one gives the quadratic cost's curve above.",
    "neuron.derivative.sure": "Here it begins at {derivative}. The neuron is sure and wrong, and "
    "so gets {share} of its error to learn from.",
    "neuron.derivative.unsure": "Here it begins at {derivative}. The neuron is not very sure, so "
    "the two costs are less far apart than they can be: start it from 2 and 2, and look again.",
    "neuron.why.title": "Where the factor goes",
    "neuron.why.text": "Both gradients come by the chain rule, ∂C/∂z = ∂C/∂a · σ′(z). "
    "Cross-entropy's slope ∂C/∂a grows without bound as a goes wrong, exactly as fast as σ′ "
    "vanishes, and the two cancel.",
    "neuron.why.chain": "by the chain rule",
    "neuron.why.result": "what is left",
    "neuron.rate.title": "And a larger rate?",
    "neuron.rate.text": "It helps the quadratic cost, but no single rate suits it: one that is "
    "large enough for the start, where σ′ is nearly 0, is up to {most} times too large once σ′ "
    "comes near ¼. Try it with --rate.",
    # ------------------------------------------------------------------ one network
    "model.softmax": "A single layer with softmax",
    "model.mlp": "A network with one hidden layer of sigmoid neurons",
    "model.cnn": "A convolutional network",
    "source.digits": "scikit-learn's handwritten digits",
    "network.title": "One network, two costs",
    "network.lead": "{model} learns to tell {classes} classes apart from {train} images of "
    "{source}; {test} others are held out. It is trained twice: from the same first weights, on "
    "the same batches in the same order, at the rate {rate} for {epochs}. Once the quadratic "
    "cost of its softmax goes down, once cross-entropy. Nothing else differs.",
    "network.row.accuracy": "held-out accuracy after {epochs}",
    "network.row.entropy": "held-out cross-entropy (nats)",
    "network.row.cost": "own cost in training, from → to",
    "network.row.gradient": "first gradient of {layer}, its length",
    "network.loss.panel": "own cost, as a share of its start",
    "network.loss.title": "Each in its own cost",
    "network.loss.text": "What each of the two is told to bring down, as a share of where it "
    "began: solid for the held-out images, dotted for those it trains on. In training the "
    "quadratic cost goes from {q_start} to {q_end}, cross-entropy from {c_start} to {c_end} nats.",
    "network.entropy.panel": "cross-entropy (nats)",
    "network.entropy.title": "Both in one measure",
    "network.entropy.text": "Numbers of two costs cannot be compared, so here both networks are "
    "held against the same one, cross-entropy: how surprised each is by the right labels. On the "
    "held-out images the one trained with the quadratic cost ends at {quadratic} nats, the one "
    "trained with cross-entropy at {cross}. Guessing among {classes} classes costs ln {classes} "
    "= {guess}.",
    "network.accuracy.panel": "accuracy",
    "network.accuracy.title": "How many are right",
    "network.accuracy.text": "After {epochs} the quadratic cost has {quadratic} of the held-out "
    "images right, cross-entropy {cross}.",
    "network.accuracy.cross-entropy": "What the quadratic cost ends with, cross-entropy has "
    "after {epochs}.",
    "network.accuracy.quadratic": "What cross-entropy ends with, the quadratic cost has after "
    "{epochs}.",
    "network.gradient.panel": "length of the gradient, {layer}",
    "network.gradient.title": "What each layer gets to hear",
    "network.gradient.text": "The length of the loss's gradient for the weights and biases of "
    "each layer, on a logarithmic scale. At the start that of the last layer, {layer}, is "
    "{cross} with cross-entropy and {quadratic} with the quadratic cost.",
    "network.gradient.back": "Backpropagation passes the error of the logits backward through "
    "all layers, so a factor that is lost at the last layer is lost to every other one too. "
    "Later a gradient may be small for a better reason: little is left to correct.",
    "network.why.title": "Where the factor comes from",
    "network.why.text": "The outputs p are the softmax of the logits z, and ∂p/∂z is nearly 0 "
    "where the network is sure, be it right or wrong. Even where it finds all {classes} classes "
    "alike, it lets one part in {classes} through. The quadratic cost's error is multiplied by "
    "it. In cross-entropy the logarithm undoes the exponential, the factor cancels, and the "
    "error is what it should be: the answer less the right answer.",
    "network.why.error": "the error of a logit",
    "network.rate.title": "And a larger rate?",
    "network.rate.text": "One rate for both is fair to the question, not to the quadratic cost, "
    "whose gradients are smaller: with a larger --rate it catches up a good deal. What no rate "
    "mends is that its factor differs from image to image: those that the network gets "
    "confidently wrong, and should learn from most, move it least.",
}
