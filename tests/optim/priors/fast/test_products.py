"""Products on packed panels against numpy's."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from optim.priors.fast.kernels.products import CONVERTS_HALF, WIDTH, add_product, pack


def matrices(rows: int, size: int, columns: int, dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(rows + size + columns).normal
    return tuple(draw(size=shape).astype(dtype) for shape in ((rows, size), (size, columns), (rows, columns)))


@pytest.mark.parametrize("columns", [1, WIDTH - 1, WIDTH, 2 * WIDTH + 5])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 63, 70])
def test_what_is_there_grows_by_the_product(rows, columns):
    x, matrix, before = matrices(rows, 33, columns, np.float64)
    after = before.copy()
    add_product(x, pack(matrix), after)
    np.testing.assert_allclose(after, before + x @ matrix, rtol=1e-12, atol=1e-12)


def test_single_precision():
    x, matrix, y = matrices(6, 500, 100, np.float32)
    exact = y + x.astype(np.float64) @ matrix
    add_product(x, pack(matrix), y)
    np.testing.assert_allclose(y, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not CONVERTS_HALF, reason="the processor has no F16C")
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7])
def test_half_precision_in_memory_changes_no_bit(rows):
    x, matrix, y = matrices(rows, 129, 77, np.float32)
    matrix = matrix.astype(np.float16).astype(np.float32)
    matrix[0, :2] = np.float16(6e-8), np.float16(-65504)  # the smallest number but 0, and the largest
    other = y.copy()
    add_product(x, pack(matrix), y)
    add_product(x, pack(matrix, half=True), other)
    assert pack(matrix, half=True).nbytes == pack(matrix).nbytes // 2
    np.testing.assert_array_equal(y, other)


@pytest.mark.parametrize("rows", [2, 3, 4, 7, 66])
def test_a_row_is_the_same_whatever_stands_beside_it(rows):
    x, matrix, y = matrices(rows, 129, 77, np.float32)
    panels, together = pack(matrix), y.copy()
    add_product(x, panels, together)
    for row in range(rows):
        add_product(x[row : row + 1], panels, y[row : row + 1])
    np.testing.assert_array_equal(y, together)


def test_what_is_not_finite_is_seen():
    x, matrix, y = matrices(2, 9, 5, np.float32)
    x[1, 3] = np.nan
    add_product(x, pack(matrix), y)
    assert np.isfinite(y[0]).all() and np.isnan(y[1]).all()


def test_memory_with_gaps_is_refused():
    x, matrix, y = matrices(4, 8, 6, np.float32)
    with pytest.raises(Exception, match="without gaps"):
        add_product(x[:, ::2], pack(matrix[::2]), y)


@pytest.mark.parametrize(("x", "y"), [((4, 7), (4, 6)), ((4, 8), (3, 6)), ((4, 8), (4, WIDTH + 1))])
def test_sizes_that_do_not_fit_are_refused(x, y):
    with pytest.raises(ValueError, match="do not fit"):
        add_product(np.zeros(x), pack(np.zeros((8, 6))), np.zeros(y))


def test_another_type_is_refused():
    with pytest.raises(Exception, match="of one type"):
        add_product(np.zeros((4, 8)), pack(np.zeros((8, 6), np.float32)), np.zeros((4, 6), np.float32))


PROGRAM = """
import sys
import llvmlite.binding
from numba import njit
njit(lambda: 0)()  # the compiler has seen the real processor
llvmlite.binding.get_host_cpu_features = lambda: {"avx512f": sys.argv[1] == "16"}
import numpy as np
from optim.priors.fast.kernels import products
x, matrix, y = (np.random.default_rng(0).normal(size=size) for size in ((7, 33), (33, 100), (7, 100)))
exact = y + x @ matrix
products.add_product(x, products.pack(matrix), y)
print(products.LANES, np.abs(y - exact).max() < 1e-12)
"""


@pytest.mark.parametrize("lanes", ["8", "16"])
def test_vectors_of_another_processors_width(tmp_path, lanes):
    root = Path(__file__).parents[4]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)}
    words = [sys.executable, "-c", PROGRAM, lanes]
    run = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == [lanes, "True"], run.stderr
