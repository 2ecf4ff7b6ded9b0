"""What a network computes on its way."""

from torch import nn


def shapes_of(network, image):
    """Return the output shape of each convolution, in the order in which they run."""
    shapes = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, given, out: shapes.append(tuple(out.shape[1:])))
    network(image)
    return shapes


def names_of_gradients(result):
    """Return the names of all the functions in a result's graph."""
    names, waiting = "", [result.grad_fn]
    while waiting:
        function = waiting.pop()
        names += f" {function.name()}"
        waiting += [following for following, _ in function.next_functions if following is not None]
    return names
