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
    "neuron.gradient.error": "Cross-entropy's gradient is the error itself: this blue curve is "
    "the one of the first picture. The further from right, the longer the step.",
    "neuron.derivative.panel": "σ′(z) = a (1 − a)",
    "neuron.derivative.name.quadratic": "slows the\nquadratic cost",
    "neuron.derivative.name.cross-entropy": "cross-entropy\nis free of it",
    "neuron.derivative.title": "What holds it back",
    "neuron.derivative.text": "The derivative of the sigmoid, at the z of each epoch. It is ¼ "
    "where the neuron is undecided, a = ½, and nearly 0 where it is sure, be it right or wrong. "
    "The quadratic cost's gradient is the error times this curve: epoch by epoch, the first "
    "picture times this one gives the red curve above.",
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
}
