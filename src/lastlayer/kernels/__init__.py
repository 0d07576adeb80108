"""Stand-in while the kernels are written: the reference, at full memory."""
import numpy as np
from lastlayer import reference


def cross_entropy(problem, gradient=None):
    with np.errstate(all="ignore"):
        loss, g = reference.cross_entropy(problem)
    if gradient is not None:
        gradient[...] = g.reshape(gradient.shape)
    return loss.astype(problem.loss_dtype)


def normalise(x, out, kind):
    z = np.asarray(x, dtype=np.float64).reshape(-1, x.shape[-1])
    out[...] = getattr(reference, kind)(z).reshape(out.shape)


def logsumexp(x):
    z = np.asarray(x, dtype=np.float64).reshape(-1, x.shape[-1])
    m, _, _, l = reference.softmax_parts(z)
    return (m + l)[:, 0]


def row_blocks(shape):
    yield slice(None), slice(None)
