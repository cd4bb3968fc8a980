"""One training step in JAX: the whole step is one compiled function whose buffers are donated."""

import functools
import os

import protocol
import workload

ARGS = protocol.arguments()
# XLA has no thread count of its own: it starts a thread for each core that the process may use,
# so both are set before it is loaded.
protocol.use_cores(ARGS.threads)
multi_thread = "true" if ARGS.threads > 1 else "false"
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={multi_thread}"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

# Handing a small step to another thread takes as long as the step.
jax.config.update("jax_cpu_enable_async_dispatch", False)

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.1


def forward(params, running, key, dropout, x):
    """Predictions of both branches and the new running statistics; weights are `[in, out]`."""
    h = jax.nn.relu(x @ params["fc1a.weight"] + params["fc1a.bias"])
    if dropout > 0:
        keep = jax.random.bernoulli(key, 1 - dropout, h.shape)
        h = jnp.where(keep, h / (1 - dropout), 0)
    y_a = h @ params["fc2a.weight"] + params["fc2a.bias"]

    a = jax.nn.relu(x @ params["fc1b.weight"] + params["fc1b.bias"])
    mean, var = a.mean(0), a.var(0)
    normal = (a - mean) * jax.lax.rsqrt(var + BATCH_NORM_EPSILON)
    s = normal * params["bn1b.weight"] + params["bn1b.bias"] + y_a
    logits = s @ params["fc2b.weight"] + params["fc2b.bias"]

    rows = x.shape[0]
    seen = {"mean": mean, "var": var * rows / (rows - 1)}
    running = jax.tree.map(
        lambda old, new: (1 - BATCH_NORM_MOMENTUM) * old + BATCH_NORM_MOMENTUM * new, running, seen
    )
    return y_a, logits, running


def loss_of(params, running, key, dropout, batch):
    x, y_a, y_b = batch
    pred_a, logits, running = forward(params, running, key, dropout, x)
    loss_a = 0.5 * ((pred_a - y_a) ** 2).sum(1).mean()
    log_prob = jax.nn.log_softmax(logits)
    loss_b = -jnp.take_along_axis(log_prob, y_b[:, None], axis=1).mean()
    return loss_a + loss_b, running


def sgd_init(params):
    return jax.tree.map(jnp.zeros_like, params)


def sgd(params, velocity, grads):
    velocity = jax.tree.map(lambda v, g: workload.MOMENTUM * v + g, velocity, grads)
    params = jax.tree.map(lambda p, v: p - workload.LEARNING_RATE * v, params, velocity)
    return params, velocity


def adam_init(params):
    zeros = functools.partial(jax.tree.map, jnp.zeros_like)
    return jnp.zeros((), jnp.int32), zeros(params), zeros(params)


def adam(params, state, grads, beta1=0.9, beta2=0.999, epsilon=1e-8):
    t, first, second = state
    t = t + 1
    first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, first, grads)
    second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, second, grads)
    scale1, scale2 = 1 / (1 - beta1**t), 1 / (1 - beta2**t)
    params = jax.tree.map(
        lambda p, m, v: p
        - workload.LEARNING_RATE * (m * scale1) / (jnp.sqrt(v * scale2) + epsilon),
        params,
        first,
        second,
    )
    return params, (t, first, second)


OPTIMIZERS = {"sgd": (sgd_init, sgd), "adam": (adam_init, adam)}


def make_step(dropout):
    dropout = workload.DROPOUT if dropout == "on" else 0.0
    init, update = OPTIMIZERS[ARGS.optimizer]
    x, y_a, y_b, params = workload.batch_and_parameters(ARGS.shape)
    batch = jnp.asarray(x), jnp.asarray(y_a), jnp.asarray(y_b.astype("int32"))
    params = {name: jnp.array(value.T) for name, value in params.items()}
    width = ARGS.shape.outputs_a
    params["bn1b.weight"], params["bn1b.bias"] = jnp.ones(width), jnp.zeros(width)
    running = {"mean": jnp.zeros(width), "var": jnp.ones(width)}

    @functools.partial(jax.jit, donate_argnums=0)
    def compiled(state, batch):
        params, running, moments, key = state
        key, now = jax.random.split(key)
        (loss, running), grads = jax.value_and_grad(loss_of, has_aux=True)(
            params, running, now, dropout, batch
        )
        params, moments = update(params, moments, grads)
        return (params, running, moments, key), loss

    state = params, running, init(params), jax.random.key(0)

    def step():
        nonlocal state
        state, loss = compiled(state, batch)
        return loss.block_until_ready()

    return step


if __name__ == "__main__":
    protocol.serve("jax", jax.__version__, make_step)
