"""Work shared out among threads: all of it, once, in order, and nothing else than without them."""

import threading

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from optim.common.threads import asked_for, container_quota, pieces, processors, side_by_side, together, use, used
from optim.objective.terms.data import nearest_vertices
from optim.priors.fast.chain import Chain, decoder_layers
from optim.priors.fast.packed import run
from tests.optim.priors.fast.test_chain import arguments, prior_of


@pytest.fixture
def threads():
    before = used()
    yield use
    use(before)


@pytest.mark.parametrize(("given", "count"), [("4", 4), ("2,1", 2), ("", None), ("many", None), ("0", None)])
def test_what_the_user_asks_for(monkeypatch, given, count):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert asked_for() == count


@pytest.mark.parametrize("number", [1, 2, 3, 5])
@pytest.mark.parametrize(("count", "unit", "least"), [(1, 1, 1), (8, 1, 1), (59, 4, 16), (3, 4, 16), (472, 4, 16)])
def test_pieces_are_all_there_is_in_order(threads, number, count, unit, least):
    threads(number)
    cut = pieces(count, unit=unit, least=least)
    assert [i for piece in cut for i in range(count)[piece]] == list(range(count))
    assert 1 <= len(cut) <= number
    assert all(piece.start % unit == 0 for piece in cut)


def test_one_piece_stays_in_this_thread(threads):
    here = threading.get_ident()
    assert side_by_side(lambda _: threading.get_ident(), [0]) == [here]
    first, *others = side_by_side(lambda _: threading.get_ident(), [0, 1, 2])
    assert first == here and here not in others


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda x: 1 / x, [1, 0])


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("with_gradients", [True, False])
def test_tasks_that_run_together_have_their_own_results_and_the_callers_gradients(threads, number, with_gradients):
    threads(number)
    with torch.set_grad_enabled(with_gradients):
        found = together(lambda: (1, torch.is_grad_enabled()), lambda: (2, torch.is_grad_enabled()))
    assert found == [(1, with_gradients), (2, with_gradients)]
    where = together(threading.get_ident, threading.get_ident)
    assert len(set(where)) == number


def test_a_roll_out_and_the_prior_have_the_same_bits_on_two_threads(threads):
    prior, given = prior_of(torch.float32), arguments(3, 5, torch.float32)
    rows = torch.randn(70, 339, requires_grad=True)
    found = []
    for number in (1, 2):
        threads(number)
        results = *Chain.apply(*given, decoder_layers(prior)), run(prior.prior_net, rows)
        gradients = torch.autograd.grad(sum(x.sum() for x in results), [*given, rows])
        found.append([x.detach().numpy() for x in (*results, *gradients)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nearest_vertices_are_the_same_on_two_threads(threads):
    points, mesh = torch.randn(2, 5, 30, 3), torch.randn(2, 5, 40, 3)
    found = []
    for number in (1, 2):
        threads(number)
        found.append(nearest_vertices(points.clone(), mesh))  # a search that was not made before
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], torch.cdist(points, mesh).argmin(-1))


def test_torch_and_the_blas_keep_to_one_thread(threads):
    with threadpool_limits(limits=2, user_api="blas"):
        threads(2)
        counts = {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
    assert counts == {1} and torch.get_num_threads() == 1


def container(folder, *, group, files):
    """A folder with ``proc`` and ``sys`` as a process in a control group sees them."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        path = folder / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("group", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/jobs/a\n", {"jobs/cpu.max": "200000 100000\n", "jobs/a/cpu.max": "400000 100000\n"}, 2.0),
        ("0::/docker/abc\n", {"cpu.max": "300000 100000\n"}, 3.0),
        ("4:memory:/\n3:cpu,cpuacct:/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "50000",
                                           "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 0.5),
        ("3:cpu,cpuacct:/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, None),
        ("0::/\n", {"cpu.max": "nonsense"}, None),
    ],
)  # fmt: skip
def test_the_quota_of_a_container_is_read(tmp_path, group, files, quota):
    assert container_quota(container(tmp_path, group=group, files=files)) == quota


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert container_quota(tmp_path) is None


@pytest.mark.parametrize(("quota", "count"), [(None, 6), (0.5, 1), (2.0, 2), (2.5, 3), (64.0, 6)])
def test_processors_are_those_of_the_affinity_within_the_quota(monkeypatch, quota, count):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr("optim.common.threads.container_quota", lambda: quota)
    assert processors() == count
