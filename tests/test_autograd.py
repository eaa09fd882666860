"""The engine itself: walking the graph, what it keeps, frees and refuses, and in which words."""

import copy
import gc
import pickle
import threading
import weakref
from importlib import import_module

import numpy as np
import pytest

import tinygan as tg


def leaf(*values, dtype=np.float32):
    return tg.tensor(values, dtype=dtype, requires_grad=True)


def values(t):
    return t.numpy().tolist()


# -- backward -------------------------------------------------------------------------------------


def test_backward_fills_the_gradients_of_leaves():
    x, w, fixed = leaf(1, 2, 3), leaf(4, 5, 6), tg.tensor([1.0, 1.0, 1.0])
    y = x * w + fixed
    y.sum().backward()
    assert values(x.grad) == [4, 5, 6]
    assert values(w.grad) == [1, 2, 3]
    assert fixed.grad is None and y.grad is None


def test_backward_takes_the_gradient_of_its_tensor():
    x = leaf(1, 2)
    (x * x).backward(tg.tensor([1.0, 10.0]))
    assert values(x.grad) == [2, 40]


def test_the_given_gradient_may_be_an_array_or_a_list_and_takes_the_dtype_of_the_tensor():
    for g in ([1.0, 10.0], np.array([1.0, 10.0])):
        x = leaf(1, 2)
        y = x * x
        seen = []
        y.register_hook(seen.append)
        y.backward(g)
        assert values(x.grad) == [2, 40]
        assert seen[0].dtype == x.grad.dtype == np.float32


def test_gradients_add_up_over_calls():
    x = leaf(1, 2)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert values(x.grad) == [5, 5]


def test_a_transpose_by_einsum_is_a_copy_so_that_writes_to_it_are_its_own():
    x = tg.tensor([[1.0, 2.0]])
    y = tg.einsum("ij->ji", x)
    y.zero_()
    assert values(x) == [[1, 2]]


def test_accumulating_never_writes_into_memory_of_others():
    x, y = leaf(1, 2), leaf(3, 4)
    seed = tg.tensor([1.0, 1.0])
    z = x + y
    z.retain_grad()
    z.backward(seed)
    grads = [x.grad, y.grad, z.grad, seed]
    for i, a in enumerate(grads):
        for b in grads[i + 1 :]:
            assert not np.shares_memory(a.array, b.array)
    (x * 5).sum().backward()
    assert values(x.grad) == [6, 6] and values(y.grad) == [1, 1] and values(seed) == [1, 1]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.reshape(4),
        lambda x: x.T,
        lambda x: x[None],
        lambda x: tg.einsum("ij->ji", x),
        lambda x: x.expand(2, 2),
        lambda x: x.clone(),
        lambda x: x.to("cpu"),
        lambda x: tg.cat([x]),
        lambda x: x.flip(0),
        lambda x: x.contiguous(),
        lambda x: x.squeeze(),
        lambda x: tg.dropout(x, 0.5, training=False) + 0,
    ],
)
def test_a_gradient_is_nobody_elses_memory(function):
    x = tg.ones(2, 2, requires_grad=True)
    y = function(x)
    seed = tg.ones(*y.shape)
    y.backward(seed)
    assert not np.shares_memory(x.grad.array, seed.array)
    x.grad.mul_(7)
    assert (seed.array == 1).all() and (x.array == 1).all()


def test_shared_subgraphs_count_every_path():
    x = leaf(3)
    a = x * x
    b = a * a + a
    (b * a).sum().backward()  # x⁶ + x⁴
    assert values(x.grad) == [6 * 3**5 + 4 * 3**3]


def test_an_argument_used_twice_counts_twice():
    x = leaf(3)
    (x * x + x + x).sum().backward()
    assert values(x.grad) == [8]


def test_backward_can_be_limited_to_some_inputs():
    x, w = leaf(1), leaf(2)
    middle = x * w
    (middle * middle).sum().backward(inputs=[w, middle])
    assert x.grad is None
    assert values(w.grad) == [4] and values(middle.grad) == [4]


def test_the_second_backward_needs_the_graph_retained():
    x = leaf(2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert values(x.grad) == [8]
    with pytest.raises(RuntimeError, match=r"graph behind '\w+' has been freed.*retain_graph=True"):
        y.backward()


def test_results_that_share_a_freed_graph_are_refused_too():
    x = leaf(2)
    a = x * x
    (a * 2).sum().backward()
    with pytest.raises(RuntimeError, match="graph behind 'mul' has been freed"):
        (a * 3).sum().backward()


def test_rules_run_only_for_the_arguments_that_need_them():
    x = tg.ones(2, 3)
    w = tg.ones(4, 3, requires_grad=True)
    node = tg.linear(x, w)._node
    assert node.plan.positions == [1]
    assert len(node.edges) == 1


def test_a_leaf_can_be_differentiated_by_itself():
    x = leaf(2)
    x.backward()
    assert values(x.grad) == [1]
    assert values(tg.grad(x, x)[0]) == [1]


# -- grad -----------------------------------------------------------------------------------------


def test_grad_touches_no_dot_grad():
    x, y = leaf(2), leaf(3)
    gx, gy = tg.grad((x * y).sum(), [x, y])
    assert (values(gx), values(gy)) == ([3], [2])
    assert x.grad is None and y.grad is None


def test_grad_of_several_outputs_with_their_weights():
    x = leaf(2)
    (g,) = tg.grad([x * x, x * 3], [x], grad_outputs=[tg.tensor([10.0]), None])
    assert values(g) == [43]


def test_grad_by_a_non_leaf():
    x = leaf(2)
    a = x * x
    b = a * a
    ga, gx = tg.grad(b, [a, x])
    assert values(ga) == [8] and values(gx) == [32]


def test_grad_by_two_results_of_which_one_leads_to_the_other():
    x = leaf(2)
    a = x * 3
    b = a * 4
    ga, gb = tg.grad((b * b).sum(), [a, b])
    assert values(gb) == [48] and values(ga) == [192]


def test_create_graph_gives_derivatives_of_every_order():
    x = leaf(2, dtype=np.float64)
    y, expected = x**4, [32, 48, 48, 24]
    for n in expected:
        (y,) = tg.grad(y, x, create_graph=True)
        assert values(y) == [n]


def test_backward_with_create_graph_leaves_a_differentiable_grad():
    x = leaf(3)
    (x**3).sum().backward(create_graph=True)
    (g,) = tg.grad(x.grad, x)
    assert values(x.grad) == [27] and values(g) == [18]


def test_gradients_are_not_recorded_unless_asked():
    x = leaf(3)
    (g,) = tg.grad((x**3).sum(), x)
    assert not g.requires_grad


def test_gradient_penalty():
    """The pattern of WGAN-GP: the gradient's norm is itself a loss."""
    w, x = leaf(1, 2, 2), leaf(1, 1, 1)
    (g,) = tg.grad((w * x * x).sum(), x, create_graph=True)
    penalty = (g.norm() - 1) ** 2
    penalty.backward()
    np.testing.assert_allclose(w.grad.numpy(), 2 * 5 * 2 * np.array([1, 2, 2]) / 3, rtol=1e-6)


def test_grad_names_an_unused_input():
    x, other = leaf(1), leaf(1, 2)
    with pytest.raises(
        RuntimeError, match=r"inputs\[1\] \(shape \(2,\)\) was not used.*allow_unused=True"
    ):
        tg.grad((x * 2).sum(), [x, other])
    assert tg.grad((x * 2).sum(), [x, other], allow_unused=True)[1] is None


def test_grad_refuses_inputs_without_gradients_and_wrong_numbers_of_weights():
    x = leaf(1)
    with pytest.raises(
        RuntimeError, match=r"inputs\[0\] \(shape \(1,\)\) does not require gradients"
    ):
        tg.grad((x * 2).sum(), tg.ones(1))
    with pytest.raises(ValueError, match="1 outputs but 2 grad_outputs"):
        tg.grad([x * 2], [x], [None, None])


# -- hooks ----------------------------------------------------------------------------------------


def test_a_hook_on_a_leaf_sees_and_replaces_the_whole_gradient():
    x, seen = leaf(1, 2), []
    remove = x.register_hook(lambda g: seen.append(values(g)) or g * 10)
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5, 5]] and values(x.grad) == [50, 50]
    remove()
    x.grad = None
    (x * 2).sum().backward()
    assert len(seen) == 1 and values(x.grad) == [2, 2]


def test_a_hook_on_a_result_changes_what_flows_on():
    x = leaf(1, 2)
    y = x * 3
    remove = y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: None)
    y.sum().backward(retain_graph=True)
    assert values(x.grad) == [30, 30]
    remove()
    x.grad = None
    y.sum().backward()
    assert values(x.grad) == [3, 3]


def test_a_hook_that_keeps_the_gradient_is_safe_from_accumulation():
    x, kept = leaf(1, 2), []
    x.register_hook(kept.append)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert values(kept[0]) == [2, 2] and values(x.grad) == [5, 5]


def test_retain_grad_keeps_an_intermediate_gradient():
    x = leaf(1, 2)
    y = x * x
    y.retain_grad()
    (y * 3).sum().backward()
    assert values(y.grad) == [3, 3]
    x.retain_grad()  # leaves keep theirs anyway


def test_a_leaf_tells_when_its_gradient_is_complete_while_backward_goes_on():
    first, twice, events = leaf(1, 2), leaf(3, 4), []
    y = first * 2
    y.register_hook(lambda g: events.append("on"))
    z = y * twice
    (z * twice).sum().backward()
    as_it_is = values(first.grad), values(twice.grad)
    first.grad, twice.grad, events[:] = None, leaf(0, 0), []

    def told(x):
        events.append((x is twice, values(x.grad)))

    for x in (first, twice):
        x.register_post_accumulate_grad_hook(told)
    y = first * 2
    y.register_hook(lambda g: events.append("on"))
    (y * twice * twice).sum().backward()
    assert (values(first.grad), values(twice.grad)) == as_it_is
    assert events == [(True, as_it_is[1]), "on", (False, as_it_is[0])]


def test_completed_gradients_add_up_and_the_hook_can_go():
    x, seen = leaf(1, 2), []
    x.register_hook(lambda g: g * 10)
    remove = x.register_post_accumulate_grad_hook(lambda x: seen.append(values(x.grad)))
    (x * 2).sum().backward()
    (x * 3).sum().backward(inputs=[x])
    assert seen == [[20, 20], [50, 50]]
    tg.grad((x * 3).sum(), x)
    remove()
    (x * 3).sum().backward()
    assert len(seen) == 2 and values(x.grad) == [80, 80]


def test_hooks_need_gradients():
    with pytest.raises(RuntimeError, match="register_hook: this tensor does not require gradients"):
        tg.ones(2).register_hook(print)
    for x in (tg.ones(2), leaf(1, 2) * 2):
        with pytest.raises(RuntimeError, match="expected a leaf that requires gradients"):
            x.register_post_accumulate_grad_hook(print)


# -- recording on and off -------------------------------------------------------------------------


def test_no_grad_and_enable_grad_as_blocks():
    x = leaf(1)
    with tg.no_grad():
        assert not (x * 2).requires_grad
        with tg.enable_grad():
            assert (x * 2).requires_grad
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()


def test_no_grad_ends_when_an_exception_passes():
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert tg.is_grad_enabled()


def test_no_grad_as_decorator_with_and_without_parentheses():
    @tg.no_grad
    def plain(x, depth=2):
        """Doubles."""
        return plain(x, depth - 1) if depth else x * 2

    @tg.no_grad()
    def called(x):
        return x * 2

    x = leaf(1)
    assert not plain(x).requires_grad and not called(x).requires_grad
    assert plain.__name__ == "plain" and plain.__doc__ == "Doubles."
    assert tg.is_grad_enabled()


def test_one_no_grad_can_be_entered_again_inside_itself():
    block = tg.no_grad()
    with block, block:
        pass
    assert tg.is_grad_enabled()


def test_no_grad_is_local_to_its_thread():
    seen = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(tg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_one_block_shared_by_threads_restores_each_threads_own_mode():
    block, inside, leave, after = tg.no_grad(), threading.Event(), threading.Event(), []

    def other():
        with block:
            inside.set()
            leave.wait()
        after.append(tg.is_grad_enabled())

    thread = threading.Thread(target=other)
    with tg.no_grad():
        thread.start()
        inside.wait()
        with block:
            leave.set()
            thread.join()
    assert after == [True] and tg.is_grad_enabled()


def test_threads_run_backward_at_once():
    shared, results = leaf(*range(1, 101)), {}

    def work(k):
        x = tg.Tensor(shared.array * k, requires_grad=True)
        for _ in range(20):
            x.grad = None
            (x * x).sum().backward()
        results[k] = x.grad.numpy()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k in range(4):
        np.testing.assert_array_equal(results[k], 2 * k * shared.numpy())


def test_detach_shares_memory_without_history():
    x = leaf(1, 2)
    y = (x * 2).detach()
    assert not y.requires_grad and y.is_leaf
    assert np.shares_memory(x.detach().array, x.array)
    (x * y).sum().backward()
    assert values(x.grad) == [2, 4]


# -- writing in place -----------------------------------------------------------------------------


def changed_before_backward(make, change):
    x = leaf(1, 2, 3)
    used = x * 1
    loss = make(used).sum()
    with tg.no_grad():
        change(used)
    return x, loss


@pytest.mark.parametrize(
    "change, writer",
    [
        (lambda t: t.add_(1), "add_"),
        (lambda t: t.mul_(2), "mul_"),
        (lambda t: t.zero_(), "fill_"),
        (lambda t: t.clamp_(0, 1), "clamp_"),
        (lambda t: t.normal_(), "normal_"),
        (lambda t: t.__setitem__(0, 5.0), "setitem"),
        (lambda t: t.index_add_(0, [0], tg.ones(1)), "index_add_"),
        (lambda t: t.reshape(3, 1)[1:].add_(1), "add_"),  # through views of views
        (lambda t: t[0].add_(1), "add_"),
        (lambda t: t.detach().copy_(tg.zeros(3)), "copy_"),
        (lambda t: setattr(t, "data", tg.zeros(3)), "assignment to .data"),
        (lambda t: t.__iadd__(1), "add_"),
    ],
)
def test_changing_what_backward_needs_is_refused(change, writer):
    _, loss = changed_before_backward(lambda t: t * t, change)
    with pytest.raises(
        RuntimeError, match=rf"shape \(3,\) that 'mul' needs.*changed in place by '{writer}'"
    ):
        loss.backward()


def test_changing_a_kept_result_is_refused():
    x = leaf(1, 2)
    y = x.exp()
    with tg.no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="that 'exp' needs"):
        y.sum().backward()


def test_changing_a_mask_or_an_index_is_never_felt_by_backward():
    x, condition = leaf(1, 2), tg.tensor([True, False])
    y = tg.where(condition, x, 0.0)
    condition[0] = False
    with pytest.raises(RuntimeError, match="that 'where' needs"):
        y.sum().backward()
    for index in (tg.tensor([0, 0]), np.array([0, 0])):
        y = x[index]
        index[0] = 1
        assert values(tg.grad(y.sum(), x)[0]) == [2, 0]
    index = tg.tensor([0, 0])
    y = x.gather(0, index)
    index[0] = 1
    assert values(tg.grad(y.sum(), x)[0]) == [2, 0]


def test_changing_what_backward_does_not_need_is_fine():
    x, loss = changed_before_backward(lambda t: t + t, lambda t: t.add_(1))
    loss.backward()
    assert values(x.grad) == [2, 2, 2]


def test_changing_after_backward_is_fine():
    x = leaf(1, 2)
    for _ in range(3):
        x.grad = None
        (x * x).sum().backward()
        with tg.no_grad():
            x -= x.grad * 0.25
    assert values(x) == [0.125, 0.25]
    assert x.requires_grad and x.is_leaf


def test_a_leaf_that_requires_gradients_is_written_only_under_no_grad():
    x = leaf(1, 2)
    for write in (
        lambda: x.add_(1),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.__iadd__(1),
        lambda: x.zero_(),
    ):
        with pytest.raises(
            RuntimeError, match=r"is a leaf that requires gradients; change it under no_grad\(\)"
        ):
            write()
    with pytest.raises(RuntimeError, match="a result that gradients flow through"):
        (x * 2).add_(1)
    with pytest.raises(RuntimeError, match=r"add_: the operand requires gradients.*detach"):
        tg.ones(2).add_(x)


def test_augmented_assignment_in_a_graph_makes_a_new_tensor():
    x = leaf(1, 2)
    y = z = x * 2
    z += 1
    z *= x
    assert values(y) == [2, 4]
    z.sum().backward()
    assert values(x.grad) == [5, 9]
    total = tg.zeros(2)
    total += x
    assert total.requires_grad


def test_augmented_assignment_without_a_graph_writes_in_place():
    x = tg.tensor([1.0, 2.0])
    view = x[0:1]
    x += 1
    x *= np.float64(2)
    x -= [1, 1]
    x /= 3
    assert values(view) == [1] and x.dtype == np.float32


def test_in_place_writes_keep_dtype_and_refuse_what_does_not_fit():
    x = tg.tensor([1, 2, 3])
    x.mul_(2)
    assert values(x) == [2, 4, 6] and x.dtype == np.int64
    with pytest.raises(
        TypeError, match=r"add_: a float value cannot be stored in a tensor of int64"
    ):
        x.add_(0.5)
    with pytest.raises(ValueError, match=r"add_: \(2,\) does not broadcast into \(3,\)"):
        x.add_(tg.tensor([1, 2]))
    with pytest.raises(ValueError, match=r"copy_: \(2, 3\) does not broadcast into \(3,\)"):
        x.copy_(tg.ones(2, 3))
    with pytest.raises(RuntimeError, match=r"read-only view.*clone\(\)"):
        tg.ones(1, 3).expand(2, 3).add_(1)


def test_elements_and_slices_can_be_written():
    x = tg.zeros(3, 4)
    x[0] = 1
    x[1, 2:] = tg.tensor([5.0, 6.0])
    x[[2, 2], [0, 1]] = 7
    x[x == 1] = -1.0
    x[-1, -1] += 3
    x[0, 0].add_(10)
    assert values(x) == [[9, -1, -1, -1], [0, 0, 5, 6], [7, 7, 0, 3]]
    with pytest.raises(ValueError, match=r"setitem: a value of shape \(3,\) does not fit"):
        x[0] = tg.ones(3)
    with pytest.raises(IndexError, match="setitem"):
        x[5] = 1


def test_index_add_counts_repeated_indices():
    x = tg.zeros(3)
    x.index_add_(0, [0, 0, 2], tg.ones(3))
    assert values(x) == [2, 0, 1]


def test_assigning_data_replaces_the_values():
    x = leaf(1, 2)
    x.data = np.array([3.0, 4.0], np.float32)
    assert x.requires_grad and values(x) == [3, 4]
    x.data.add_(1)
    assert values(x) == [4, 5]


# -- size and memory ------------------------------------------------------------------------------


def test_a_chain_of_100000_operations():
    x = leaf(1)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert values(x.grad) == [1]
    del y
    y = x
    for _ in range(100_000):
        y = y + 1
    del y  # never walked backward: freeing it must not recurse either


def test_backward_frees_intermediate_results_as_it_goes():
    x = tg.ones(4, requires_grad=True)
    a = x.exp()
    b = a.exp()
    early, late = weakref.ref(b._node.out), weakref.ref(a._node.out)
    alive = []
    a.register_hook(lambda g: alive.append((early() is not None, late() is not None)))
    loss = b.sum()
    del b
    loss.backward()
    assert alive == [(False, True)]
    assert late() is None


def test_nothing_is_kept_when_nothing_needs_it():
    gc.disable()
    try:
        x = tg.ones(4, requires_grad=True)
        with tg.no_grad():
            a = x.exp()
            array = weakref.ref(a.array)
            b = a + 1
            del a
            assert array() is None and b is not None
        a = x * 2
        array = weakref.ref(a.array)
        b = a + 1  # addition needs neither operand for its rule
        del a
        assert array() is None
        graph = weakref.ref(b._node)
        del b
        assert graph() is None, "a graph is freed with its last result, without the cycle collector"
    finally:
        gc.enable()


# -- numbers --------------------------------------------------------------------------------------

NUMBERS = [
    2,
    2.5,
    True,
    np.float64(2.5),
    np.float32(2.5),
    np.int64(2),
    np.bool_(True),
    np.array(2.5),
    np.full(3, 2.5),
    [1.5, 2, 3],
]
BINARY = [
    tg.add,
    tg.sub,
    tg.mul,
    tg.div,
    tg.maximum,
    tg.minimum,
    tg.pow,
    tg.remainder,
    tg.floor_divide,
]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_scalars_and_arrays_never_promote_float32(op, number):
    x = leaf(1, 2, 3)
    for out in (op(x, number), op(number, x)):
        assert out.dtype == np.float32
        if out.requires_grad:
            assert tg.grad(out.sum(), x)[0].dtype == np.float32
    assert op(x.detach().half(), number).dtype == np.float16
    assert op(number, x.detach().double()).dtype == np.float64


def test_numpy_arguments_of_all_kinds_never_promote_float32():
    x, wide = leaf(1, 2, 3), np.float64(0.5)
    for out in [
        x.clamp(wide, np.float64(2)),
        x**wide,
        tg.where(np.array([True, False, True]), x, wide),
        tg.leaky_relu(x, wide),
        tg.elu(x, wide),
        tg.dropout(x, wide),
        tg.pad(x, (1, 1), value=wide),
        tg.full_like(x, wide),
        tg.smooth_l1_loss(x, tg.zeros(3), beta=wide),
        tg.cross_entropy(x.reshape(1, 3), tg.tensor([0]), label_smoothing=np.float64(0.1)),
        tg.layer_norm(x, 3, eps=wide),
        x.norm(p=np.float64(3)),
        x.reshape(3, 1) @ np.ones((1, 2)),
        x @ np.ones(3),
        np.ones((2, 3)) @ x,
        x.sum() * np.sqrt(2),
        np.sqrt(2) * x,
        np.ones(3) * x,
        np.float64(2) - x,
    ]:
        assert out.dtype == np.float32


def test_numpy_on_the_left_gives_a_tensor():
    x = leaf(1, 2)
    out = np.array([1.0, 2.0]) * x + np.float64(1)
    assert isinstance(out, tg.Tensor) and out.requires_grad
    assert values(np.array([3.0, 4.0]) - x) == [2, 2]


def test_whole_numbers_stay_whole_until_a_fraction_meets_them():
    i = tg.tensor([1, 2, 5])
    assert (
        (i + 1).dtype
        == (i * i).dtype
        == (i // 2).dtype
        == (i % 2).dtype
        == (i**2).dtype
        == np.int64
    )
    assert i.sum().dtype == i.prod().dtype == i.max().dtype == i.clamp(2, 3).dtype == np.int64
    for out in (
        i / 2,
        i + 0.5,
        i * np.array([0.5, 0.5, 0.5]),
        i * [0.5, 1, 2],
        i**-1,
        i**0.5,
        i.mean(),
        i.exp(),
        i.clamp(0.5, 2),
        i.sigmoid(),
        i.softmax(0),
        i.norm(),
        i.std(),
    ):
        assert out.dtype == np.float32
    assert values(i * np.array([0.5, 0.5, 0.5])) == [0.5, 1, 2.5]
    assert (i + tg.ones(3)).dtype == np.float32
    assert (i.to(tg.int32) + i).dtype == np.int64
    assert ((i > 1) + 1).dtype == np.int64 and ((i > 1) * 0.5).dtype == np.float32
    assert values((i > 1).sum()) == 2


def test_float32_meets_float64():
    x, y = leaf(1, 2), leaf(3, 4, dtype=np.float64)
    out = x * y
    out.sum().backward()
    assert out.dtype == np.float64 and x.grad.dtype == np.float32 and y.grad.dtype == np.float64


def test_comparisons_and_logic_give_booleans():
    x = tg.tensor([1.0, 2.0, 3.0])
    for out in (
        x == 2,
        x != 2,
        x < 2,
        x <= 2,
        x > 2,
        x >= np.float64(2),
        ~(x > 2),
        (x > 1) & (x < 3),
        (x > 1) | (x < 0),
    ):
        assert out.dtype == np.bool_ and not out.requires_grad
    assert values((x > 1) & (x < 3)) == [False, True, False]


def test_matrices_multiply_with_lists_and_arrays_on_either_side():
    m = tg.ones(2, 2)
    assert values(m @ np.ones((2, 1))) == [[2], [2]]
    assert values(np.ones((1, 2)) @ m) == [[2, 2]]
    assert values(m @ np.ones(2)) == [2, 2]


# -- making and reading ---------------------------------------------------------------------------


def test_tensor_copies_and_chooses_dtypes():
    a = np.ones(2, np.float32)
    t = tg.tensor(a)
    a[0] = 5
    assert values(t) == [1, 1]
    assert tg.tensor(1.5).dtype == tg.tensor([1, 2.5]).dtype == np.float32
    assert tg.tensor([1, 2]).dtype == np.int64 and tg.tensor([True]).dtype == np.bool_
    assert tg.tensor(np.ones(2)).dtype == np.float64
    assert tg.tensor([np.float64(1.0)]).dtype == np.float32
    assert values(tg.tensor([tg.tensor(1.0), tg.tensor(2.0)])) == [1, 2]
    assert tg.tensor([1.0], dtype=np.float64, requires_grad=True).requires_grad
    t = leaf(1, 2)
    assert not np.shares_memory(tg.tensor(t).array, t.array) and not tg.tensor(t).requires_grad
    t = tg.from_numpy(a)
    a[1] = 7
    assert values(t) == [5, 7]


def test_creation_functions():
    assert tg.zeros(2, 3).shape == tg.zeros((2, 3)).shape == tg.ones([2, 3]).shape == (2, 3)
    assert values(tg.full((2,), 3)) == [3, 3] and tg.full((2,), 3).dtype == np.int64
    assert tg.full((2,), 3.0).dtype == tg.full((2,), np.float64(3)).dtype == np.float32
    assert tg.full((2,), True).dtype == np.bool_
    assert values(tg.arange(3)) == [0, 1, 2] and tg.arange(0, 1, 0.5).dtype == np.float32
    assert values(tg.linspace(0, 1, 3)) == [0, 0.5, 1] and tg.linspace(0, 1, 3).dtype == np.float32
    assert values(tg.eye(2)) == [[1, 0], [0, 1]]
    x = leaf(1, 2)
    assert values(tg.zeros_like(x)) == [0, 0] and not tg.ones_like(x).requires_grad
    assert values(x.full_like(4)) == [4, 4] and x.full_like(4).dtype == np.float32
    assert tg.zeros(2, requires_grad=True).requires_grad and tg.empty(2, 2).shape == (2, 2)


def test_reading_one_number_and_lists():
    assert tg.tensor([[2.5]]).item() == 2.5 and type(tg.tensor(3).item()) is int
    assert tg.tensor([[1, 2]]).tolist() == [[1, 2]]
    assert float(tg.tensor(2.5)) == 2.5 and int(tg.tensor([3])) == 3 and bool(tg.tensor(True))
    assert [10, 20, 30][tg.tensor(1)] == 20 and list(range(tg.tensor(3))) == [0, 1, 2]
    assert len(tg.zeros(3, 2)) == 3 and [row.tolist() for row in tg.eye(2)] == [[1, 0], [0, 1]]
    assert (
        tg.zeros(2, 3).size(),
        tg.zeros(2, 3).size(-1),
        tg.zeros(2, 3).numel(),
        tg.zeros(2, 3).dim(),
    ) == ((2, 3), 3, 6, 2)
    first, second = leaf(1, 2)
    assert first.requires_grad and second.item() == 2


def test_numpy_reads_a_tensor():
    x = leaf(1, 2)
    assert np.asarray(x) is x.array or np.shares_memory(np.asarray(x), x.array)
    assert np.array(x) is not x.array and not np.shares_memory(np.array(x), x.array)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.mean(np.asarray(x)) == 1.5
    with pytest.raises(ValueError, match="a float32 tensor becomes a float64 array only by a copy"):
        np.array(x, dtype=np.float64, copy=False)


def test_dlpack_both_ways():
    x = tg.tensor([1.0, 2.0])
    shared = np.from_dlpack(x)
    x.add_(1)
    assert shared.tolist() == [2, 3]
    assert values(tg.from_dlpack(np.arange(3.0))) == [0, 1, 2]


@pytest.mark.torch
def test_dlpack_with_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.tensor([1.0, 2.0])
    ours = tg.from_dlpack(theirs)
    theirs += 1
    assert values(ours) == [2, 3]
    ours.add_(1)
    assert theirs.tolist() == [3, 4]
    back = torch.from_dlpack(ours)
    ours.mul_(2)
    assert back.tolist() == [6, 8]


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: tg.tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (lambda: tg.tensor(3), "tensor(3)"),
        (lambda: tg.tensor([True]), "tensor([ True])"),
        (lambda: leaf(1), "tensor([1.], requires_grad=True)"),
        (lambda: leaf(1) * 2, "tensor([2.], op=<mul>)"),
        (lambda: leaf(1, dtype=np.float64), "tensor([1.], dtype=float64, requires_grad=True)"),
        (lambda: tg.zeros(0, 3), "tensor([], dtype=float32, shape=(0, 3))"),
        (lambda: tg.eye(2), "tensor([[1., 0.],\n        [0., 1.]])"),
    ],
)
def test_repr(make, text):
    assert repr(make()) == text


def test_deepcopy_copies_leaves_with_their_gradients():
    x = leaf(1, 2)
    (x * 2).sum().backward()
    y = copy.deepcopy(x)
    assert values(y) == [1, 2] and values(y.grad) == [2, 2] and y.requires_grad
    with tg.no_grad():
        x.add_(1)
    x.grad.add_(1)
    assert values(y) == [1, 2] and values(y.grad) == [2, 2]
    with pytest.raises(
        RuntimeError, match=r"only leaf tensors can be copied; use .detach\(\).clone\(\)"
    ):
        copy.deepcopy(x * 2)
    memo = [x, x]
    a, b = copy.deepcopy(memo)
    assert a is b


def test_tensors_are_not_pickled():
    with pytest.raises(TypeError, match=r"tensors are not pickled; save them with tinygan\.save"):
        pickle.dumps(tg.ones(2))


def test_tensors_are_hashed_by_identity():
    a, b = tg.ones(2), tg.ones(2)
    assert len({a, b}) == 2 and {a: 1}[a] == 1


# -- derivatives where the textbook has none ------------------------------------------------------


@pytest.mark.parametrize(
    "function, at",
    [
        (lambda x: x.sqrt(), 0.0),
        (lambda x: x.abs(), 0.0),
        (lambda x: x.reshape(1).norm(), 0.0),
        (lambda x: x.reshape(1).norm(p=3), 0.0),
        (lambda x: tg.stack([x, x]).std(), 1.0),
        (lambda x: tg.binary_cross_entropy(x, tg.tensor(0.0)), 0.0),
        (lambda x: tg.binary_cross_entropy(x, tg.tensor(1.0)), 1.0),
        (lambda x: tg.binary_cross_entropy(x, tg.tensor(1.0)), 0.0),
        (lambda x: tg.binary_cross_entropy_with_logits(x, tg.tensor(1.0)), -1e4),
        (lambda x: tg.log_softmax(tg.stack([x, -x]), 0)[1], 1e4),
        (lambda x: tg.logsumexp(tg.stack([x, x]), 0), -np.inf),
        (lambda x: tg.where(x > 0, x.sqrt(), 0.0), 0.0),
        (lambda x: x.sigmoid(), -1e4),
        (lambda x: x.softplus(), -1e4),
        (lambda x: x.prod(), 0.0),
        (lambda x: x**2, 0.0),
        (lambda x: x**1, 0.0),
        (lambda x: tg.pow(x, tg.tensor(2.0)), 0.0),
        (lambda x: tg.pow(tg.tensor(0.0), x), 2.0),
    ],
)
def test_edges_give_finite_gradients(function, at):
    x = tg.tensor(at, requires_grad=True)
    (g,) = tg.grad(function(x), x, create_graph=True)
    assert np.isfinite(g.numpy()).all()
    if g.requires_grad:
        (h,) = tg.grad(g, x, allow_unused=True)
        assert h is None or not np.isnan(h.numpy()).any()


@pytest.mark.torch
def test_binary_cross_entropy_at_its_ends_agrees_with_torch():
    torch = pytest.importorskip("torch")
    p, t = np.array([0, 1, 0, 1, 0.3], np.float32), np.array([0, 1, 1, 0, 1], np.float32)
    x = tg.tensor(p, requires_grad=True)
    tg.binary_cross_entropy(x, tg.tensor(t)).backward()
    y = torch.tensor(p, requires_grad=True)
    torch.nn.functional.binary_cross_entropy(y, torch.tensor(t)).backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6)


def test_ties_share_the_gradient():
    x = leaf(1, 3, 3)
    assert values(tg.grad(x.max(), x)[0]) == [0, 0.5, 0.5]
    y = leaf(1, 3, 2)
    gx, gy = tg.grad(tg.maximum(x, y).sum(), [x, y])
    assert values(gx) == [0.5, 0.5, 1] and values(gy) == [0.5, 0.5, 0]


# -- what errors say ------------------------------------------------------------------------------

x23, x45 = tg.ones(2, 3), tg.ones(4, 5)

ERRORS = [
    (
        lambda: x23 + x45,
        ValueError,
        r"add\(\(2, 3\) float32, \(4, 5\) float32\): the shapes do not broadcast",
    ),
    (
        lambda: x23 @ x45,
        ValueError,
        r"matmul: the last axis of the first \(\(2, 3\)\) must match.*\(\(4, 5\)\): 3 against 4",
    ),
    (
        lambda: x23 @ tg.tensor(1.0),
        ValueError,
        r"matmul: expected at least one axis each.*use \* for scalars",
    ),
    (lambda: x23 + "a", TypeError, "add: expected a tensor or a number, got str: 'a'"),
    (lambda: x23 + None, TypeError, "add.*expected tensors or numbers, got None"),
    (
        lambda: x23.reshape(4, 2),
        ValueError,
        r"reshape: 6 elements of shape \(2, 3\) do not fit into shape \(4, 2\)",
    ),
    (lambda: x23.reshape(-1, -1), ValueError, "reshape: only one size may be -1"),
    (lambda: x23.sum(2), IndexError, "sum: dim 2 is out of range for a tensor with 2 dimensions"),
    (lambda: x23.sum((0, -2)), ValueError, r"sum: dim \(0, -2\) names an axis twice"),
    (lambda: x23.sum("rows"), TypeError, "sum: expected dim as a whole number.*'rows'"),
    (lambda: x23.mean(1.5), TypeError, "mean: expected dim as a whole number.*1.5"),
    (lambda: tg.zeros(0).mean(), ValueError, "mean: no elements to average"),
    (
        lambda: tg.zeros(0, 2).max(),
        ValueError,
        r"amax: no elements along dim \(0, 1\) of shape \(0, 2\)",
    ),
    (lambda: tg.zeros(0, 2).argmax(0), ValueError, "argmax: no elements"),
    (lambda: tg.ones(1).std(), ValueError, r"std: 1 value\(s\) with correction=1"),
    (lambda: x23.transpose(0, 2), IndexError, "transpose: dim 2 is out of range"),
    (
        lambda: x23.permute(0, 0),
        ValueError,
        r"permute: expected each of the 2 axes of shape \(2, 3\) once, got \(0, 0\)",
    ),
    (
        lambda: x23.expand(3, 3),
        ValueError,
        r"expand: shape \(2, 3\) cannot be stretched to \(3, 3\)",
    ),
    (
        lambda: tg.cat([x23, x45]),
        ValueError,
        r"cat: shapes \(2, 3\), \(4, 5\) differ in more than dim 0",
    ),
    (lambda: tg.cat([]), ValueError, "cat: expected a list of at least one tensor"),
    (lambda: tg.cat(x23), ValueError, "cat: expected a list of at least one tensor"),
    (
        lambda: tg.stack([x23, x45]),
        ValueError,
        r"stack: expected equal shapes, got \(2, 3\), \(4, 5\)",
    ),
    (
        lambda: x23.split([1, 1], 1),
        ValueError,
        r"split: sizes \[1, 1\] add up to 2, axis 1 of shape \(2, 3\) has 3",
    ),
    (
        lambda: x23[5],
        IndexError,
        r"getitem\(\(2, 3\) float32\): index 5 is out of bounds for axis 0 with size 2",
    ),
    (lambda: x23[0, 0, 0], IndexError, "getitem.*too many indices"),
    (lambda: x23[[0, 7]], IndexError, "getitem.*index 7 is out of bounds"),
    (lambda: x23[1.5], IndexError, "index: expected numbers, slices.*got float"),
    (
        lambda: x23[tg.ones(2)],
        IndexError,
        "index: expected integers or booleans, got an array of float32",
    ),
    (
        lambda: x23.gather(0, tg.tensor([[5, 0, 0]])),
        IndexError,
        r"gather: indices must lie in 0 … 1, the size of axis 0",
    ),
    (lambda: x23.gather(0, tg.tensor([0])), IndexError, "gather: index has 1 axes, the tensor 2"),
    (lambda: x23.gather(0, x23), TypeError, "gather: expected integers, got float32"),
    (
        lambda: tg.embedding([3], x23),
        IndexError,
        "embedding: indices run from 3 to 3, the table has rows 0 … 1",
    ),
    (lambda: tg.one_hot([3], 2), ValueError, "one_hot: labels must lie in 0 … 1, got 3 … 3"),
    (lambda: tg.one_hot([-1], 2), ValueError, "one_hot: labels must lie in 0 … 1, got -1 … -1"),
    (
        lambda: tg.linear(x23, x45),
        ValueError,
        r"linear: weight \(4, 5\) takes inputs with 5 features, got shape \(2, 3\)",
    ),
    (
        lambda: tg.linear(x23, tg.ones(4, 3), tg.ones(3)),
        ValueError,
        r"linear: expected a bias of shape \(4,\), got \(3,\)",
    ),
    (
        lambda: tg.einsum("ij,jk", x23, x45),
        ValueError,
        "einsum: index 'j' of 'ij,jk' is 3 in one operand and 4 in another",
    ),
    (lambda: tg.einsum("ij", x23, x45), ValueError, "einsum: 'ij' names 1 operands, got 2"),
    (
        lambda: tg.einsum("ij->k", x23),
        ValueError,
        "einsum: index 'k' of the result is in no operand",
    ),
    (
        lambda: tg.conv2d(tg.ones(1, 3, 8, 8), tg.ones(4, 2, 3, 3)),
        ValueError,
        r"conv2d: weight \(4, 2, 3, 3\) with groups=1 takes 2 input channels, "
        r"got 3 in input \(1, 3, 8, 8\)",
    ),
    (
        lambda: tg.conv2d(x23, x23),
        ValueError,
        r"conv2d: expected an input \(N, C, H, W\) or \(C, H, W\) and a weight with 4 axes",
    ),
    (
        lambda: tg.conv2d(tg.ones(1, 2, 2, 2), tg.ones(4, 2, 3, 3)),
        ValueError,
        r"conv2d: a kernel of \(3, 3\) with dilation \(1, 1\) is larger than the input \(2, 2\)",
    ),
    (
        lambda: tg.conv2d(tg.ones(1, 2, 4, 4), tg.ones(4, 2, 3, 3), stride=0),
        ValueError,
        "conv2d stride: .*>= 1.*got 0",
    ),
    (
        lambda: tg.conv2d(tg.ones(1, 2, 4, 4), tg.ones(4, 2, 3, 3), tg.ones(2)),
        ValueError,
        r"bias of shape \(4,\), got \(2,\)",
    ),
    (
        lambda: tg.conv2d(tg.ones(1, 2, 4, 4), tg.ones(3, 1, 3, 3), groups=2),
        ValueError,
        "groups=2 does not divide the 3",
    ),
    (
        lambda: tg.conv_transpose2d(tg.ones(1, 3, 8, 8), tg.ones(2, 4, 3, 3)),
        ValueError,
        r"conv_transpose2d: weight \(2, 4, 3, 3\) with groups=1 takes 2 input channels, got 3",
    ),
    (
        lambda: tg.conv_transpose2d(tg.ones(1, 2, 4, 4), tg.ones(2, 4, 3, 3), output_padding=1),
        ValueError,
        "output_padding.*must be smaller than stride or dilation",
    ),
    (
        lambda: tg.max_pool2d(tg.ones(1, 1, 2, 2), 3),
        ValueError,
        "max_pool2d: a window of 3 does not fit into 2 pixels padded by 0",
    ),
    (
        lambda: tg.batch_norm(tg.ones(1, 3), None, None, training=True),
        ValueError,
        "batch_norm: training needs more than one",
    ),
    (
        lambda: tg.layer_norm(x23, (4,)),
        ValueError,
        r"layer_norm: expected an input that ends in \(4,\), got \(2, 3\)",
    ),
    (lambda: tg.group_norm(tg.ones(2, 3), 2), ValueError, "group_norm: 2 groups do not divide"),
    (
        lambda: tg.pixel_shuffle(tg.ones(1, 3, 2, 2), 2),
        ValueError,
        r"pixel_shuffle: expected \(N, C·4, H, W\)",
    ),
    (lambda: tg.pad(x23, (1,)), ValueError, "pad: expected pairs of widths"),
    (
        lambda: tg.pad(x23, (3, 0), mode="reflect"),
        ValueError,
        "pad: reflect needs widths of at most 2 for axis 1 of size 3",
    ),
    (lambda: tg.pad(x23, (1, 1), mode="mirror"), ValueError, "pad: expected mode .*got 'mirror'"),
    (
        lambda: tg.interpolate(tg.ones(1, 1, 2, 2), 4, mode="cubic"),
        ValueError,
        "interpolate: expected .* a mode among .*'cubic'",
    ),
    (
        lambda: tg.mse_loss(x23, tg.ones(2)),
        ValueError,
        r"mse_loss: input \(2, 3\) and target \(2,\) differ in shape",
    ),
    (
        lambda: tg.mse_loss(x23, x23, reduction="avg"),
        ValueError,
        "mse_loss: expected reduction 'mean', 'sum' or 'none', got 'avg'",
    ),
    (
        lambda: tg.cross_entropy(x23, tg.tensor([0, 3])),
        ValueError,
        "labels must lie in 0 … 2, got 0 … 3",
    ),
    (
        lambda: tg.cross_entropy(x23, tg.tensor([0])),
        ValueError,
        r"expected.*labels \(N, ...\).*\(2, 3\).*\(1,\)",
    ),
    (
        lambda: tg.cross_entropy(x23, tg.ones(2)),
        ValueError,
        "expected labels .* of integers or probabilities",
    ),
    (
        lambda: tg.dropout(x23, 1.5),
        ValueError,
        "dropout: expected a probability from 0 to 1, got 1.5",
    ),
    (lambda: x23.clamp(), ValueError, "clamp: give min, max, or both"),
    (
        lambda: x23.topk(4),
        ValueError,
        r"topk: expected 0 <= k <= 3 along dim -1 of shape \(2, 3\), got 4",
    ),
    (
        lambda: x23.backward(),
        RuntimeError,
        r"does not depend on anything that requires gradients.*no_grad\(\)",
    ),
    (
        lambda: leaf(1, 2).backward(),
        RuntimeError,
        r"only a tensor of one element has an implied gradient.*shape \(2,\)",
    ),
    (
        lambda: (leaf(1, 2) * 2).backward(tg.ones(3)),
        RuntimeError,
        r"the gradient has shape \(3,\), the tensor \(2,\)",
    ),
    (
        lambda: tg.tensor([1], requires_grad=True),
        TypeError,
        "only floating-point tensors can require gradients, this one is int64",
    ),
    (
        lambda: tg.zeros(1, dtype=np.int64, requires_grad=True),
        TypeError,
        "only floating-point tensors can require gradients",
    ),
    (
        lambda: (leaf(1) * 2).requires_grad_(False),
        RuntimeError,
        "computed from others; use .detach",
    ),
    (lambda: tg.tensor([[1, 2], [3]]), ValueError, "tensor: the nested lists have uneven lengths"),
    (lambda: tg.tensor("abc"), TypeError, "tensor: cannot hold .*expected numbers or booleans"),
    (
        lambda: tg.tensor(np.array(["a"])),
        TypeError,
        "tensor: cannot hold <U1 values; expected numbers or booleans",
    ),
    (
        lambda: tg.from_numpy(np.ones(1, complex)),
        TypeError,
        "tensor: cannot hold complex128 values",
    ),
    (lambda: tg.tensor([None]), TypeError, "tensor: cannot hold object values"),
    (
        lambda: x23.item(),
        ValueError,
        r"item: expected a tensor with one element, got shape \(2, 3\)",
    ),
    (
        lambda: bool(x23),
        ValueError,
        r"the truth of a tensor with 6 elements \(shape \(2, 3\)\) is ambiguous",
    ),
    (lambda: len(tg.tensor(1.0)), TypeError, "0-d tensor"),
    (lambda: list(tg.tensor(1.0)), TypeError, "0-d tensor"),
    (
        lambda: [1][tg.tensor(0.0)],
        TypeError,
        "only an integer tensor can be an index, this one is float32",
    ),
    (lambda: tg.from_numpy([1.0]), TypeError, "from_numpy: expected a NumPy array, got list"),
    (lambda: -tg.tensor([True]), TypeError, r"neg\(\(1,\) bool\): "),
    (lambda: tg.tensor([True]) - tg.tensor([True]), TypeError, r"sub\(\(1,\) bool, "),
    (lambda: tg.sigmoid("a"), TypeError, "cannot hold"),
    (lambda: tg.manual_seed(-1), ValueError, "manual_seed: expected a whole number >= 0, got -1"),
    (lambda: x23.squeeze(5), IndexError, "squeeze: dim 5 is out of range"),
    (lambda: tg.arange(3).norm("nuc"), TypeError, "norm: expected p as a number, got 'nuc'"),
]


@pytest.mark.parametrize(
    "make, kind, text", ERRORS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_error_messages(make, kind, text):
    with pytest.raises(kind, match=text):
        make()


def test_one_kernel_for_both_gradients_where_both_are_wanted(monkeypatch):
    cpu = import_module("tinygan.backend.cpu")
    calls = []
    for name in ("conv2d_gradients", "conv2d_input_grad", "conv2d_weight_grad"):

        def counted(*args, kernel=getattr(cpu, name), name=name):
            calls.append(name)
            return kernel(*args)

        monkeypatch.setattr(cpu, name, counted)
    tg.manual_seed(0)
    x, w = tg.randn(2, 3, 6, 6), tg.randn(4, 3, 3, 3)
    x.requires_grad_(), w.requires_grad_()

    tg.conv2d(x, w, padding=1).square().sum().backward()
    assert calls == ["conv2d_gradients"]
    both = x.grad.clone(), w.grad.clone()

    calls.clear()
    tg.conv2d(x, w, padding=1).square().sum().backward(inputs=[x])
    tg.conv2d(x.detach(), w, padding=1).square().sum().backward()
    assert calls == ["conv2d_input_grad", "conv2d_weight_grad"]  # none that nobody asked for

    calls.clear()
    y = tg.conv2d(x, w, padding=1).square().sum()
    for g, expected in zip(tg.grad(y, [x, w], create_graph=True), both):
        assert g.requires_grad  # can be differentiated again
        np.testing.assert_allclose(g.detach().numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)
    assert sorted(calls) == ["conv2d_input_grad", "conv2d_weight_grad"]


def test_grad_has_pytorchs_order_of_arguments():
    x, y = (tg.tensor([v], requires_grad=True) for v in (2.0, 3.0))
    with pytest.raises(ValueError, match="only_inputs=False is what backward"):
        tg.grad((x * x).sum(), x, None, None, False, False)
    assert tg.grad((x * x).sum(), x, None, None, False, True)[0].item() == 4
    assert tg.grad((x * x).sum(), [x, y], allow_unused=True)[1] is None
    zeros = tg.grad((x * x).sum(), [x, y], materialize_grads=True)[1]
    assert zeros.shape == (1,) and zeros.item() == 0


def test_an_input_named_twice_gets_its_gradient_once():
    x = tg.tensor([2.0], requires_grad=True)
    (x * x).sum().backward(inputs=[x, x])
    assert x.grad.item() == 4
    y = x * 3
    (y * y).sum().backward(inputs=[y, y])
    assert y.grad.item() == 12


def test_sizes_are_not_taken_for_data():
    with pytest.raises(TypeError, match=r"Tensor\(2, 3\): expected one array .* zeros\(2, 3\)"):
        tg.Tensor(2, 3)


def test_sums_of_half_precision_do_not_overflow_on_their_way():
    x = tg.full((4000,), 300.0, dtype=tg.float16)
    x[::2] = -300.0
    wide = x.to(tg.float32)
    for compute in (
        lambda t: t.abs().mean(),
        lambda t: t.std(),
        lambda t: t.norm() / 10,
        lambda t: tg.rms_norm(t, (4000,)),
        lambda t: (t / 300).abs().sum() / 4,
        lambda t: (t / 300).abs().cumsum(0)[-1] / 4,
    ):
        out = compute(x)
        assert out.dtype == tg.float16
        np.testing.assert_allclose(out.numpy(), compute(wide).numpy(), rtol=2e-3)
