#!/usr/bin/env python3
"""What others take for the passes of the benchmark `passes`: JAX in a jitted loop, and NumPy.

    python3 host/benches/peers.py            # a table
    python3 host/benches/peers.py --csv      # the same as CSV

It makes an environment of its own below `target/`, and installs JAX and NumPy into it by pip. One thread, float32, tanh
units, outputs of a Gaussian, medians. A kept product is F v = J^T J v / B with the activations kept from product to product, which
is what a solver asks for again and again: JAX linearises once, outside of the loop.
"""

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

PACKAGES = ["jax==0.10.2", "numpy==2.4.6"]

NETWORKS = [
    ([8, 16, 4], [1, 16, 256]),
    ([64, 32, 10], [1, 16, 256]),
    ([64, 64, 32, 16, 32, 64, 64], [1, 16, 256]),
    ([784, 100, 10], [1, 16, 1000]),
    ([784, 400, 200, 100, 50, 25, 6, 25, 50, 100, 200, 400, 784], [1, 16, 256]),
]

SAMPLES = 21
SAMPLE_SECONDS = 0.02

# Before any of them starts its threads.
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def inside_environment():
    """Runs this script again in an environment that has the packages."""
    place = Path(__file__).resolve().parents[2] / "target" / "peers"
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    # JAX asks for threads of its own, whatever it is told: one processor leaves it one at a time.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    # Some set-ups choose an old kernel of OpenBLAS for all programs.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS")}
    os.execve(python, [str(python), __file__, *sys.argv[1:]], {**kept, **ONE_THREAD, "PEERS": "1"})


def median(call):
    """The median seconds of a call that is told how often to do its work."""
    call(1)
    count = 1
    while True:
        started = time.perf_counter()
        call(count)
        if time.perf_counter() - started >= SAMPLE_SECONDS:
            break
        count *= 2
    times = []
    for _ in range(SAMPLES):
        started = time.perf_counter()
        call(count)
        times.append((time.perf_counter() - started) / count)
    return sorted(times)[SAMPLES // 2]


def by_jax(widths, batch, draw):
    import jax
    import jax.numpy as jnp

    theta = [(jnp.asarray(w), jnp.asarray(b)) for w, b in draw.layers]
    direction = [(jnp.asarray(w), jnp.asarray(b)) for w, b in draw.direction]
    x, t = jnp.asarray(draw.inputs), jnp.asarray(draw.targets)

    def outputs(theta):
        a = x
        for w, b in theta[:-1]:
            a = jnp.tanh(a @ w.T + b)
        w, b = theta[-1]
        return a @ w.T + b

    def loss(theta):
        return 0.5 * jnp.sum((outputs(theta) - t) ** 2) / batch

    add = lambda a, b, scale: jax.tree.map(lambda p, q: p + scale * q, a, b)

    # Each turn depends on the one before, so that none can be left out.
    @jax.jit
    def gradients(theta, count):
        return jax.lax.fori_loop(0, count, lambda _, at: add(at, jax.grad(loss)(at), -1e-9), theta)

    @jax.jit
    def products(theta, v, count):
        _, forward = jax.linearize(outputs, theta)
        backward = jax.linear_transpose(forward, theta)

        def turn(_, v):
            (product,) = backward(forward(v) / batch)
            return add(v, product, 1e-9)

        return jax.lax.fori_loop(0, count, turn, v)

    return (
        median(lambda count: jax.block_until_ready(gradients(theta, count))),
        median(lambda count: jax.block_until_ready(products(theta, direction, count))),
    )


def by_numpy(widths, batch, draw):
    import numpy as np

    layers, direction, x, t = draw.layers, draw.direction, draw.inputs, draw.targets

    def forward():
        activations = [x]
        for w, b in layers[:-1]:
            activations.append(np.tanh(activations[-1] @ w.T + b))
        w, b = layers[-1]
        return activations, activations[-1] @ w.T + b

    def backward(activations, seeds):
        out = []
        for index in reversed(range(len(layers))):
            a = activations[index]
            out.append((seeds.T @ a, seeds.sum(axis=0)))
            if index > 0:
                seeds = (seeds @ layers[index][0]) * (1 - a * a)
        return out[::-1]

    def gradient():
        activations, z = forward()
        return backward(activations, (z - t) / batch)

    activations, _ = forward()

    def product():
        tangent = activations[0] @ direction[0][0].T + direction[0][1]
        for index in range(1, len(layers)):
            a = activations[index]
            tangent = tangent * (1 - a * a)
            v, c = direction[index]
            tangent = tangent @ layers[index][0].T + a @ v.T + c
        return backward(activations, tangent / batch)

    def often(call):
        def calls(count):
            for _ in range(count):
                call()

        return calls

    return median(often(gradient)), median(often(product))


class Draw:
    """Numbers for a network and a batch, the same for all peers."""

    def __init__(self, widths, batch):
        import numpy as np

        rng = np.random.default_rng(1)
        shapes = list(zip(widths[1:], widths[:-1]))

        def numbers(*shape):
            return rng.uniform(-1, 1, size=shape).astype(np.float32)

        self.layers = [(numbers(*shape) / np.float32(shape[1]) ** np.float32(0.5), numbers(shape[0])) for shape in shapes]
        self.direction = [(numbers(*shape), numbers(shape[0])) for shape in shapes]
        self.inputs, self.targets = numbers(batch, widths[0]), numbers(batch, widths[-1])


def main():
    if "PEERS" not in os.environ:
        inside_environment()
    csv = "--csv" in sys.argv
    if csv:
        print("peer,network,batch,pass,microseconds")
    for widths, batches in NETWORKS:
        network = "-".join(map(str, widths))
        for batch in batches:
            draw = Draw(widths, batch)
            for peer, measure in [("jax", by_jax), ("numpy", by_numpy)]:
                for name, seconds in zip(["gradient", "kept product"], measure(widths, batch, draw)):
                    if csv:
                        print(f"{peer},{network},{batch},{name},{seconds * 1e6:.4f}", flush=True)
                    else:
                        print(f"{peer:5} {network:54} batch {batch:4} {name:12} {seconds * 1e6:10.2f} µs", flush=True)


if __name__ == "__main__":
    main()
