"""Products of a few rows with a matrix that stands still, in the processor's vector instructions.

The matrix is packed once into panels of ``WIDTH`` columns; within a panel its rows follow each other, so that it is
read from front to back. A *tile* is up to four rows of the result and one panel's columns: its sums stay in registers
while the panel passes by. A row's sums are made in the same order whatever rows stand beside it.

Libraries are made for large products: on one thread of a Zen 3 four rows cost a third of oneDNN's time and sixty
four fifths (docs/lab/performance.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from optim.priors.fast.kernels import compiled

CONVERTS_HALF = bool(get_host_cpu_features().get("f16c"))
"""Whether the processor has an instruction that turns numbers of half precision into single precision."""
LANES = 16 if get_host_cpu_features().get("avx512f") else 8
ROWS, VECTORS = 4, 3
"""Twelve registers of sums, three of the panel and one of the rows: all sixteen of AVX2."""
WIDTH = VECTORS * LANES
_INT = ir.IntType(64)


def pack(matrix: np.ndarray, *, half: bool = False) -> np.ndarray:
    """(in, out) → panels (⌈out / WIDTH⌉, in, WIDTH), filled up with zeros.

    Args:
        half: Keep them in half precision, as the 16-bit integers with the same bits, because numba knows no such type.
            Half the memory has to be read, which is what one row's products wait for.
    """
    rows, columns = matrix.shape
    panels = -(-columns // WIDTH)
    padded = np.zeros((rows, panels * WIDTH), matrix.dtype)
    padded[:, :columns] = matrix
    made = np.ascontiguousarray(padded.reshape(rows, panels, WIDTH).swapaxes(0, 1))
    return made.astype(np.float16).view(np.uint16) if half else made


def _tile(rows: int) -> Any:
    """The function that puts x[row : row + rows] @ panel into the first rows of ``sums`` (ROWS, WIDTH)."""

    @intrinsic
    def tile(typing_context, x, row, panels, panel, sums):
        if any(array.layout != "C" for array in (x, panels, sums)):
            raise TypeError("rows and panels without gaps are expected")
        if x.dtype != sums.dtype or panels.dtype not in (x.dtype, types.uint16):
            raise TypeError("rows, panels and sums of one type are expected, or panels in half precision")
        return types.void(x, row, panels, panel, sums), generate

    def generate(context, builder, signature, arguments):
        x, row, panels, panel, sums = arguments
        kinds = signature.args
        x, panels, sums = (
            context.make_array(kind)(context, builder, array)
            for kind, array in ((kinds[0], x), (kinds[2], panels), (kinds[4], sums))
        )
        length = cgutils.unpack_tuple(builder, x.shape)[1]
        given = [builder.gep(x.data, [builder.mul(_plus(builder, row, r), length)]) for r in range(rows)]
        weights = builder.gep(panels.data, [builder.mul(panel, builder.mul(length, _INT(WIDTH)))])
        vector = ir.VectorType(context.get_value_type(kinds[0].dtype), LANES)
        stored = vector if kinds[2].dtype == kinds[0].dtype else ir.VectorType(ir.HalfType(), LANES)
        _loop(builder, vector, stored, length, given, weights, sums.data)
        return context.get_dummy_value()

    return tile


def _loop(
    builder: ir.IRBuilder,
    vector: ir.VectorType,
    stored: ir.VectorType,
    length: ir.Value,
    given: list,
    weights: ir.Value,
    sums: ir.Value,
) -> None:
    """Along the panel: load its vectors, and add each, times every row's number, to that row's sums.

    The panel's numbers are of the type ``stored``, and are made ``vector`` for the sums.
    """
    tile = [(r, v) for r in range(len(given)) for v in range(VECTORS)]
    nothing = ir.Constant(vector, [0.0] * LANES)
    entry = builder.block
    loop, after = builder.append_basic_block("along"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(_INT)
    held = {place: builder.phi(vector) for place in tile}
    offset = builder.mul(k, _INT(WIDTH))
    columns = [_load(builder, stored, weights, _plus(builder, offset, v * LANES)) for v in range(VECTORS)]
    if stored != vector:
        columns = [builder.fpext(column, vector) for column in columns]
    factors = [_spread(builder, vector, builder.load(builder.gep(row, [k]))) for row in given]
    made = {}
    for r, v in tile:
        product = builder.fmul(columns[v], factors[r], flags=["contract"])
        made[r, v] = builder.fadd(held[r, v], product, flags=["contract"])
    following = _plus(builder, k, 1)
    k.add_incoming(_INT(0), entry)
    k.add_incoming(following, loop)
    for place in tile:
        held[place].add_incoming(nothing, entry)
        held[place].add_incoming(made[place], loop)
    again = builder.cbranch(builder.icmp_signed("<", following, length), loop, after)
    again.set_metadata("llvm.loop", _not_unrolled(builder.module))
    builder.position_at_end(after)
    for r, v in tile:
        place = builder.gep(sums, [_INT(r * WIDTH + v * LANES)])
        builder.store(made[r, v], builder.bitcast(place, vector.as_pointer()), align=4)


def _not_unrolled(module: ir.Module) -> ir.MDValue:
    """A loop's name and wish. Unrolled, the sums no longer fit the registers: half the speed."""
    wish = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
    name = module.add_metadata([ir.MetaDataString(module, f"loop {len(module.metadata)}"), wish])
    name.operands = (name, wish)  # a loop's name is itself
    return name


def _plus(builder: ir.IRBuilder, value: ir.Value, number: int) -> ir.Value:
    return builder.add(value, _INT(number))


def _load(builder: ir.IRBuilder, vector: ir.VectorType, start: ir.Value, offset: ir.Value) -> ir.Value:
    place = builder.bitcast(builder.gep(start, [offset]), vector.as_pointer())
    return builder.load(place, align=2 if vector.element == ir.HalfType() else 4)


def _spread(builder: ir.IRBuilder, vector: ir.VectorType, number: ir.Value) -> ir.Value:
    """A vector of the same number throughout."""
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


_tile_1, _tile_2, _tile_3, _tile_4 = (_tile(rows) for rows in range(1, ROWS + 1))


@compiled
def add_product(x, panels, y):
    """y (N, out) += x (N, in) @ the matrix (in, out) that was packed into panels.

    Raises:
        ValueError: Sizes that do not fit; what is read and written is not checked further in.
    """
    if x.shape[1] != panels.shape[1] or len(x) != len(y) or y.shape[1] > len(panels) * WIDTH:
        raise ValueError("rows, matrix and result do not fit")
    sums = np.empty((ROWS, WIDTH), y.dtype)
    for panel in range(len(panels)):
        first = panel * WIDTH
        width = min(WIDTH, y.shape[1] - first)
        for row in range(0, len(x), ROWS):
            count = min(ROWS, len(x) - row)
            if count == 4:
                _tile_4(x, row, panels, panel, sums)
            elif count == 3:
                _tile_3(x, row, panels, panel, sums)
            elif count == 2:
                _tile_2(x, row, panels, panel, sums)
            else:
                _tile_1(x, row, panels, panel, sums)
            for i in range(count):
                for j in range(width):
                    y[row + i, first + j] += sums[i, j]
