"""Pickles are read as data, and every attempt to have something executed, or to fill the memory, is refused."""

from __future__ import annotations

import builtins
import collections
import io
import os
import pickle
import time
import zipfile
import zlib

import numpy as np
import pytest
import torch

from optim.common.errors import InputError
from optim.reading import pickles
from optim.reading.pickles import read_pickle

DATA = {
    "poses": np.arange(12.0, dtype=np.float32).reshape(4, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">f4"),
    "text": np.array(["a", "bc"]),
    "number": np.float32(2.5),
    "nested": [{"a": (1, 2.5, None, True)}, "é", b"\x00\xff", 2**70],
    "ordered": collections.OrderedDict(x=1),
    "default": collections.defaultdict(list, y=[1]),
}


def same(a, b):
    if isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in b)
    if isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(b, np.ndarray):
        return a.dtype == b.dtype.newbyteorder("=") and np.array_equal(a, b)
    return a == b


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_data_comes_back_in_every_protocol(tmp_path, protocol):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(DATA, protocol=protocol))
    assert same(read_pickle(tmp_path / "a.pkl", what="data"), DATA)


def test_arrays_of_objects_are_lists(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": np.array([{"x": 1}, None], object), "b": np.array({"y": 2})}))
    assert read_pickle(tmp_path / "a.pkl", what="data") == {"a": [{"x": 1}, None], "b": {"y": 2}}


@pytest.mark.parametrize("new", [True, False])
def test_torch_files_come_back_as_arrays(tmp_path, new):
    base = torch.arange(24.0).reshape(4, 6)
    content = {
        "whole": base, "part": base[1:3, ::2], "turned": base.T, "whole numbers": torch.arange(3),
        "empty": torch.zeros(0, 3), "scalar": torch.tensor(1.5), "parameter": torch.nn.Parameter(torch.ones(2)),
    }  # fmt: skip
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
    read = read_pickle(tmp_path / "a.pt", what="data")
    assert list(read) == list(content)
    for name, tensor in content.items():
        assert np.array_equal(read[name], tensor.detach().numpy()) and read[name].shape == tuple(tensor.shape)


def test_tensors_inside_plain_pickles_come_back(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": torch.arange(6.0).reshape(2, 3)}))
    assert np.array_equal(read_pickle(tmp_path / "a.pkl", what="data")["a"], np.arange(6.0).reshape(2, 3))


def joblib_file(array):
    """As joblib writes an array: a wrapper in the pickle, its bytes after the wrapper's state."""
    state = pickle.dumps(
        {"subclass": np.ndarray, "shape": array.shape, "order": "C", "dtype": array.dtype, "allow_mmap": True,
         "numpy_array_alignment_bytes": 16}, protocol=4,
    )  # fmt: skip
    start, body = b"\x80\x04", state[11:-1]  # without protocol, frame and stop
    wrapper = b"\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81"
    return b"".join((start, b"}\x8c\x05poses", wrapper, body, b"b", bytes([3]), b"\xff" * 3, array.tobytes(), b"s."))


@pytest.mark.parametrize("pack", [bytes, zlib.compress])
def test_arrays_of_joblib_come_back(tmp_path, pack):
    array = np.arange(12.0).reshape(4, 3)
    (tmp_path / "a.pkl").write_bytes(pack(joblib_file(array)))
    assert np.array_equal(read_pickle(tmp_path / "a.pkl", what="data")["poses"], array)


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def object_array(touched):
    return np.array([Call(os.system, f"touch {touched}")], object)


def torch_zip(payload):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3")
    return stream.getvalue()


def legacy_storage(payload):
    """Bytes for torch's ``_load_from_bytes`` that hold a call where a storage is expected."""
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    return Call(torch.storage._load_from_bytes, head + payload + pickle.dumps([], 2))


PAYLOADS = {
    "os.system": lambda t: pickle.dumps(Call(os.system, f"touch {t}")),
    "os.system, protocol 0": lambda t: f"cposix\nsystem\n(S'touch {t}'\ntR.".encode(),
    "eval": lambda t: pickle.dumps({"a": Call(eval, f"open({str(t)!r}, 'w')")}),
    "exec": lambda t: pickle.dumps([Call(exec, f"open({str(t)!r}, 'w')")]),
    "getattr chain": lambda t: pickle.dumps(Call(getattr, Call(__import__, "os"), "system")),
    "dotted name": lambda t: b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.__reduce__\x93)R.",
    "reduce of reduce": lambda t: pickle.dumps(Call(builtins.map, eval, [f"open({str(t)!r}, 'w')"])),
    "inst": lambda t: f"(S'touch {t}'\niposix\nsystem\n.".encode(),
    "obj": lambda t: f"(cposix\nsystem\nS'touch {t}'\no.".encode(),
    "new with keywords": lambda t: b"\x80\x04cposix\nsystem\n)}\x92.",
    "extension": lambda t: b"\x80\x02\x82\x01.",
    "persistent": lambda t: b"\x80\x02X\x04\x00\x00\x00fileQ.",
    "text persistent": lambda t: b"Pfile\n.",
    "buffer": lambda t: b"\x80\x05\x97.",
    "object array": lambda t: pickle.dumps(object_array(t)),
    "torch zip": lambda t: torch_zip(pickle.dumps(Call(os.system, f"touch {t}"), 2)),
    "pickle in a pickle": lambda t: pickle.dumps(Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {t}")))),
    "pickle in a storage": lambda t: pickle.dumps(legacy_storage(pickle.dumps(Call(os.system, f"touch {t}"), 2))),
    "build of a name": lambda t: b"\x80\x02cnumpy\nndarray\n}b.",
    "call of a word": lambda t: b"\x80\x02cbuiltins\nint\n)R.",
    "numpy's file loader": lambda t: pickle.dumps(Call(np.load, str(t))),
    "numpy.f2py": lambda t: b"\x80\x02cnumpy.testing._private.utils\nrunstring\n(X\x01\x00\x00\x001}tR.",
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_nothing_is_executed(tmp_path, name):
    touched = tmp_path / "touched"
    (tmp_path / "a.pkl").write_bytes(PAYLOADS[name](touched))
    with pytest.raises(InputError, match=r"a\.pkl: (holds|damaged)"):
        read_pickle(tmp_path / "a.pkl", what="data")
    assert not touched.exists()


def test_the_payloads_are_real(tmp_path):
    """The first ones work in Python's own unpickler, so that the test above means something."""
    for number, name in enumerate(["os.system", "os.system, protocol 0", "eval", "object array", "pickle in a pickle"]):
        touched = tmp_path / str(number)
        pickle.loads(PAYLOADS[name](touched))
        assert touched.exists(), name


def laughs():
    """Lists of ten times the list before: small in the file and in memory, endless to walk through."""
    return b"\x80\x02]q\x00" + b"".join(b"](" + b"h\x00" * 10 + b"eq\x00" for _ in range(40)) + b"."


BOMBS = {
    "shared lists": laughs,
    "circle": lambda: b"\x80\x02]q\x00h\x00a.",
    "memo index": lambda: b"\x80\x02Nr\xff\xff\xff\xff.",
    "length of bytes": lambda: b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
    "length of text": lambda: b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.",
    "frame": lambda: b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f.",
    "long number": lambda: b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "deep": lambda: b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "deep marks": lambda: b"(" * 1_000_000 + b".",
    "many opcodes": lambda: b"\x80\x02" + b"N0" * (pickles.MOST_OPCODES // 2 + 1) + b"N.",
    "zeros": lambda: zlib.compress(pickle.dumps(bytes(10**8), 4)),
    "huge shape": lambda: pickle.dumps(np.zeros(4)).replace(b"K\x04\x85", b"J\xff\xff\xff\x7f\x85"),
    "array without content": lambda: b"\x80\x02cnumpy._core.multiarray\n_reconstruct\n)R.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_end_soon(tmp_path, name):
    (tmp_path / "a.pkl").write_bytes(BOMBS[name]())
    began = time.monotonic()
    try:
        read_pickle(tmp_path / "a.pkl", what="data")
    except InputError as error:
        assert "a.pkl" in str(error)
    assert time.monotonic() - began < 30


def test_a_strided_tensor_cannot_read_beyond_its_storage(tmp_path):
    torch.save({"a": torch.arange(4.0)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(one for one in members if one.endswith("data.pkl"))
    assert b"K\x04\x85" in members[name]
    members[name] = members[name].replace(b"K\x04\x85", b"M\xff\x7f\x85", 1)
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    with pytest.raises(InputError, match="damaged"):
        read_pickle(tmp_path / "a.pt", what="data")
