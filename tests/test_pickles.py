"""Containers of result files: what joblib, torch and numpy wrote comes back; hostile ones run nothing."""

import collections
import contextlib
import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smpl2mjcf
from smpl2mjcf import UnsafeFileError, joblib_pickle, torch_archive
from smpl2mjcf.pickled_arrays import NUMPY, PickledArray
from smpl2mjcf.restricted_pickle import read_pickle
from smpl2mjcf.result_values import read_container
from smpl2mjcf.torch_tensors import TorchTensor
from smpl2mjcf.untrusted_arrays import MalformedFileError

COMPRESSIONS = [0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)]


def dumped(value, **options):
    buffer = io.BytesIO()
    joblib.dump(value, buffer, **options)
    return buffer.getvalue()


def saved_npy(value):
    buffer = io.BytesIO()
    np.save(buffer, value)
    return buffer.getvalue()


def torch_saved(torch, value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def in_torch_zip(torch, value):
    return torch_saved(torch, value)


def in_torch_legacy(torch, value):
    return torch_saved(torch, value, _use_new_zipfile_serialization=False)


def in_npy(torch, value):
    return saved_npy(value)


def in_joblib(torch, value):
    return dumped(value)


def in_pickle_2(torch, value):
    return pickle.dumps(value, 2)


TORCH_CONTAINERS = [in_torch_zip, in_torch_legacy, in_npy, in_joblib, in_pickle_2]


def plain(value):
    """With the stand-ins of arrays turned into arrays."""
    if isinstance(value, PickledArray | TorchTensor):
        return value.array()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


# --- joblib ---

ARRAYS = {
    "f4": np.arange(24, dtype="f4").reshape(2, 3, 4),
    "f8": np.linspace(0, 1, 7),
    "f2": np.arange(5, dtype="f2"),
    "big-endian": np.arange(6, dtype=">i4").reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "a view": np.arange(20.0).reshape(4, 5)[::2, 1:4],
    "empty": np.zeros((0, 3)),
    "no axes": np.array(3.5),
    "bool": np.array([True, False]),
    "text": np.array(["left", "right"]),
    "bytes": np.arange(3, dtype="u1"),
}


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
def test_joblib_arrays_come_back(compress):
    content = {"arrays": ARRAYS, "list": [1, "two", None, 3.5], "scalar": np.float32(2.5)}
    read = plain(read_container(dumped(content, compress=compress)))
    assert read["list"] == content["list"]
    assert read["scalar"] == 2.5
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read["arrays"][name], array, strict=True)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_joblib_protocols_and_plain_pickles(protocol):
    for data in (dumped(ARRAYS, protocol=protocol), pickle.dumps(ARRAYS, protocol)):
        for name, array in plain(read_container(data)).items():
            np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


def test_files_of_joblib_before_padding(monkeypatch):
    # joblib < 1.2 knew no alignment; today's writes no padding where a wrapper lacks the attribute
    make = joblib.numpy_pickle.NumpyPickler._create_array_wrapper

    def old_wrapper(pickler, array):
        wrapper = make(pickler, array)
        del wrapper.numpy_array_alignment_bytes
        return wrapper

    monkeypatch.setattr(joblib.numpy_pickle.NumpyPickler, "_create_array_wrapper", old_wrapper)
    data = dumped(ARRAYS)
    assert b"alignment" not in data
    for name, array in plain(read_container(data)).items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)


def test_arrays_of_objects_in_joblib_do_not_disturb_what_follows():
    content = {"objects": np.array([1, {"a": [2]}, None], object), "after": np.arange(4.0)}
    read = read_container(dumped(content))
    assert read["objects"].objects() == [1, {"a": [2]}, None]
    np.testing.assert_array_equal(read["after"].array(), content["after"])
    with pytest.raises(UnsafeFileError, match="Python objects"):
        read["objects"].array()


def test_other_dictionaries_and_numpy_keys():
    # WHAM: a defaultdict of people numbered by numpy integers
    content = collections.defaultdict(dict, {np.int64(3): {"a": 1}, np.int32(5): {}})
    ordered = collections.OrderedDict(x=1, y=[2])
    for data in (dumped([content, ordered]), pickle.dumps([content, ordered], 2)):
        people, rest = read_container(data)
        assert people == {3: {"a": 1}, 5: {}}
        assert rest == {"x": 1, "y": [2]}
        assert type(people) is type(rest) is dict
    # a default made by a function that is no plain class stays refused
    with pytest.raises(UnsafeFileError, match="numpy.zeros"):
        read_container(pickle.dumps(collections.defaultdict(np.zeros, {1: 2}), 2))
    with pytest.raises(MalformedFileError, match="PickledArray as a key"):
        read_container(pickle.dumps({np.float64(1.5): 1}, 2))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x04\x22\x4d\x18" + bytes(20), "compressed with lz4; load it with joblib and dump it"),
        (b"ZF0x10                 " + zlib.compress(b"x"), "joblib 0.9 or older"),
        (dumped({1: np.arange(3)}, compress=3)[:-9], "cut short"),
        (dumped({1: np.arange(9)}, compress=("bz2", 3))[:40] + bytes(40), "damaged|cut short"),
        (dumped({1: np.arange(3.0)})[:-20], "bytes are announced where|corrupted pickle"),
        (b"", "an empty file"),
        (b"BVH HIERARCHY", "neither a pickle, a torch archive nor an .npy"),
        (pickle.dumps({1: 2}, 0), "protocol 0"),
        (saved_npy(np.arange(3)), "does not hold one Python object"),
        (saved_npy(np.array([{}, {}], object)), "does not hold one Python object"),
        (saved_npy({})[:-3], "corrupted pickle"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "does not hold one Python object"),
        (b"PK\x03\x04", "corrupted zip"),
        (
            b"\x80\x04\x8c\x13joblib.numpy_pickle\x94\x8c\x0eNDArrayWrapper\x94\x93)\x81.",
            "joblib 0.9 or older",
        ),
    ],
)
def test_what_cannot_be_read_says_why(data, message):
    with pytest.raises(MalformedFileError, match=message) as caught:
        read_container(data)
    assert "\n" not in str(caught.value)


# --- torch ---


def tensors(torch):
    x = torch.arange(24.0).reshape(2, 3, 4)
    return {
        "plain": x,
        "view": x[:, 1:3],  # shares its storage
        "turned": x.transpose(0, 2),
        "strided": x[..., ::2],
        "half": x.half(),
        "double": x.double() / 3,
        "int": x.int(),
        "long": x.long() - 5,
        "byte": x.byte(),
        "short": x.short(),
        "char": x.char(),
        "bool": x > 3,
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "repeated": torch.tensor([1.0, 2.0]).expand(5, 2),
        "parameter": torch.nn.Parameter(x),
    }


@pytest.mark.parametrize("container", TORCH_CONTAINERS)
def test_tensors_come_back_without_torch(oracle, container):
    torch = oracle("torch")
    content = tensors(torch)
    read = read_container(container(torch, content))
    assert list(read) == list(content)
    for name, tensor in content.items():
        np.testing.assert_array_equal(read[name].array(), tensor.detach().numpy(), strict=True)


@pytest.mark.parametrize("container", TORCH_CONTAINERS)
def test_bfloat16_comes_back_as_float32(oracle, container):
    torch = oracle("torch")
    tensor = (torch.arange(24.0).reshape(4, 6) / 7).to(torch.bfloat16)
    read = read_container(container(torch, {"x": tensor, "view": tensor[1:, ::2]}))
    np.testing.assert_array_equal(read["x"].array(), tensor.float().numpy(), strict=True)
    np.testing.assert_array_equal(read["view"].array(), tensor[1:, ::2].float().numpy(), strict=True)


def test_other_objects_beside_tensors(oracle):
    torch = oracle("torch")
    content = {"size": torch.Size([2, 3]), "device": torch.device("cpu"), "list": [torch.ones(2), 1.5]}
    read = read_container(torch_saved(torch, content))
    assert read["size"] == (2, 3)
    np.testing.assert_array_equal(read["list"][0].array(), [1, 1])


@pytest.mark.parametrize("container", [in_torch_zip, in_torch_legacy, in_npy])
def test_where_a_tensor_lived_does_not_matter(oracle, container):
    torch = oracle("torch")
    data = container(torch, {"x": torch.arange(5.0)})
    location = b"X\x03\x00\x00\x00cpu"
    if container is in_torch_zip:  # its members carry checksums
        source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for name in source.namelist():
                archive.writestr(name, source.read(name).replace(location, b"X\x03\x00\x00\x00gpu"))
        changed = target.getvalue()
    else:
        changed = data.replace(location, b"X\x03\x00\x00\x00gpu")
    assert b"gpu" in changed
    np.testing.assert_array_equal(read_container(changed)["x"].array(), np.arange(5.0))


def rezipped(data, change=lambda name, content: content, **options):
    """A torch archive written anew, its members changed."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w", **options) as archive:
        for name in source.namelist():
            archive.writestr(name, change(name, source.read(name)))
    return target.getvalue()


def test_archives_packed_again_and_big_endian(oracle):
    torch = oracle("torch")
    data = torch_saved(torch, {"x": torch.arange(6.0)})
    packed = rezipped(data, compression=zipfile.ZIP_DEFLATED)
    np.testing.assert_array_equal(read_container(packed)["x"].array(), np.arange(6.0))

    def swap(name, content):
        if name.endswith("byteorder"):
            return b"big"
        return np.frombuffer(content, "<f4").astype(">f4").tobytes() if "/data/" in name else content

    np.testing.assert_array_equal(read_container(rezipped(data, swap))["x"].array(), np.arange(6.0))


def test_reading_needs_neither_torch_nor_joblib():
    heavy = ("torch", "joblib", "scipy", "jax")
    modules = "smpl2mjcf.torch_archive, smpl2mjcf.joblib_pickle"
    code = f"import sys, {modules}; print([m for m in {heavy} if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


# --- tensors and arrays that lie ---


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value):
    return b"\x8a\x10" + value.to_bytes(16, "little", signed=True)


def integers(*values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor_pickle(count, offset, size, stride, key="0"):
    identity = (
        b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + integer(count) + b"tQ"
    )
    view = integer(offset) + integers(*size) + integers(*stride)
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + identity + view + b"\x89NtR."


def torch_zip(content, storage=bytes(48)):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", storage)
    return buffer.getvalue()


def test_a_true_tensor_of_the_same_make_is_read():
    read = read_container(
        torch_zip(tensor_pickle(12, 1, (2, 3), (4, 1)), np.arange(12, dtype="<f4").tobytes())
    )
    np.testing.assert_array_equal(read.array(), [[1, 2, 3], [5, 6, 7]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tensor_pickle(12, 1, (3, 4), (4, 1)), "needs 13 numbers"),
        (tensor_pickle(12, 12, (1,), (1,)), "needs 13 numbers"),
        (tensor_pickle(12, 0, (12, 1 << 40), (1, 0)), "on a storage of 12"),
        (tensor_pickle(12, 0, (0, 1 << 61), (1, 0)), "on a storage of 12"),
        (tensor_pickle(12, 0, (2, 2), (1 << 61, 1)), "needs"),
        (tensor_pickle(12, 0, (-1, 2), (1, 1)), "do not fit"),
        (tensor_pickle(12, -1, (2,), (1,)), "do not fit"),
        (tensor_pickle(12, 0, (2,), (-1,)), "do not fit"),
        (tensor_pickle(12, 0, (2, 2), (1,)), "do not fit"),
        (tensor_pickle(12, 0, (1,) * 200, (1,) * 200), "do not fit"),
        (tensor_pickle(12, 0, (1 << 100,), (1,)), "far too large"),
        (tensor_pickle(13, 0, (2,), (1,)), "needs 52 bytes, found 48"),
        (tensor_pickle(11, 0, (2,), (1,)), "has 48 bytes; at most 44"),
        (tensor_pickle(12, 0, (2,), (1,), key="7"), "data/7' is missing"),
        (tensor_pickle(12, 0, (2,), (1,), key="../data.pkl"), "is missing"),
    ],
)  # fmt: skip
def test_a_tensor_that_leaves_its_storage_is_refused(content, message):
    with pytest.raises(MalformedFileError, match=message):
        read_container(torch_zip(content)).array()


def test_text_that_is_no_bytes_is_refused_in_arrays_and_tensors():
    array = pickle.dumps(np.frombuffer(b"abcdefgh", "f4"), 2)
    assert array.count(text("abcdefgh")) == 1
    encoded = b"c_codecs\nencode\n" + text("€") + text("latin1") + b"\x86R"
    storage = b"ctorch.storage\n_load_from_bytes\n" + encoded + b"\x85R"
    tensor = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + integer(0) + b"))\x89NtR."
    for data in (array.replace(text("abcdefgh"), text("€")), tensor):
        with pytest.raises(MalformedFileError, match="whose data are not bytes"):
            read_container(data).array()


def test_persistent_ids_of_anything_but_storages_are_refused():
    for identity in (b"K\x01", text("os.system"), b"(" + text("module") + text("x") + b"t", b")"):
        with pytest.raises(MalformedFileError, match="no storage's"):
            read_container(torch_zip(b"\x80\x02" + identity + b"Q."))
    with pytest.raises(UnsafeFileError, match="BINPERSID"):  # where no such id belongs
        read_container(b"\x80\x02K\x01Q.")
    with pytest.raises(MalformedFileError, match="no storage's"):
        read_container(torch_zip(tensor_pickle(1 << 60, 0, (2,), (1,))))


def test_arrays_that_contain_themselves_end():
    ndarray = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87Rq\x01"
    dtype = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
    state = b"(K\x01h\x01\x85" + dtype + b"\x89U\x00tb"
    with pytest.raises(MalformedFileError, match="not made of integers"):
        read_container(b"\x80\x02" + ndarray + state + b".").array()


def test_nested_pickles_end():
    # joblib reads an array of objects as a pickle in its stream: one that is again such an array, and so on
    head, tail = dumped(np.array([None], object)).split(b"\x80\x05")
    for depth in (5, 5000):
        with pytest.raises(MalformedFileError, match="nested more than 3 deep"):
            read_container(head * depth)
    assert tail


def lying_joblib(count):
    data = dumped(np.arange(4.0), protocol=2)
    true = b"K\x04\x85"
    assert data.count(true) == 1
    return data.replace(true, integer(count) + b"\x85")


LIARS = {
    "joblib shape": lambda: lying_joblib(1 << 40),
    "joblib negative": lambda: lying_joblib(-(1 << 40)),
    "npy header": lambda: b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + bytes(100),
    "pickled bytes": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62),
    "expanded tensor": lambda: torch_zip(tensor_pickle(12, 0, (1 << 36,), (0,))),
    "storage count": lambda: torch_zip(tensor_pickle(1 << 40, 0, (1 << 40,), (1,))),
    "zlib bomb": lambda: zlib.compress(bytes(100_000_000), 9),
    "lzma dictionary": lambda: b"\x5d\x00\x00\xff\xff" + b"\xff" * 8 + bytes(50),
}


@pytest.mark.parametrize("what", LIARS)
def test_memory_stays_bounded_whatever_a_file_declares(monkeypatch, what):
    monkeypatch.setattr(joblib_pickle, "MAX_DECOMPRESSED_BYTES", 10_000_000)
    data = LIARS[what]()
    message = "decompresses to more than" if "bomb" in what else "."
    tracemalloc.start()
    try:
        with pytest.raises(MalformedFileError, match=message):
            read_container(data).array()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000  # the bomb's 10 MB limit, a few times over while it grows


def test_a_deflated_storage_is_not_unpacked_beyond_its_limit(oracle, monkeypatch):
    torch = oracle("torch")
    data = rezipped(torch_saved(torch, torch.zeros(300_000)), compression=zipfile.ZIP_DEFLATED)
    assert len(data) < 100_000
    monkeypatch.setattr(torch_archive, "MAX_STORAGE_BYTES", 100_000)
    read = read_container(data)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(MalformedFileError, match="at most 100000 are read .a zip bomb"):
        read.array()


# --- files that ask for code to be run ---


class Runs:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def hostile_files(torch, marker):
    """what -> bytes of a file of each container that would create the marker file."""
    evil = Runs(marker)
    legacy = torch_saved(torch, evil, _use_new_zipfile_serialization=False)
    tensor = pickle.dumps({"x": torch.arange(3.0)}, 3)
    literal = tensor[tensor.index(b"\x80\x02\x8a\x0a") - 5 :]
    length = 5 + struct.unpack("<I", literal[1:5])[0]
    return {
        "pickle": pickle.dumps({"x": evil}, 4),
        "joblib": dumped({"a": np.arange(3), "x": evil}),
        "joblib compressed": dumped({"x": evil}, compress=3),
        "joblib object array": dumped({"x": np.array([evil], object)}),
        "joblib dtype": dumped(np.arange(3.0), protocol=2).replace(b"cnumpy\ndtype\n", b"cos\nsystem\n"),
        "npy": saved_npy({"x": evil}),
        "torch zip": torch_saved(torch, {"x": evil}),
        "torch legacy": legacy,
        "legacy storage bytes": tensor.replace(
            literal[:length], b"B" + struct.pack("<I", len(legacy)) + legacy
        ),
        "legacy storage class": tensor.replace(b"ctorch\nFloatStorage", b"ccodecs\nencode_long"),
        "default factory": pickle.dumps(collections.defaultdict(os.system, {1: 2}), 4),
    }  # fmt: skip


KINDS = [
    "pickle", "joblib", "joblib compressed", "joblib object array", "joblib dtype", "npy", "torch zip",
    "torch legacy", "legacy storage bytes", "legacy storage class", "default factory",
]  # fmt: skip


@pytest.mark.parametrize("what", KINDS)
def test_a_hostile_file_is_refused_and_not_run(tmp_path, oracle, what):
    marker = tmp_path / "marker"
    data = hostile_files(oracle("torch"), marker)[what]
    with pytest.raises(UnsafeFileError, match="allow-list") as caught:
        plain(read_container(data))
    assert not marker.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "what", ["pickle", "joblib", "joblib compressed", "npy", "torch zip", "torch legacy"]
)
def test_the_hostile_files_are_real(tmp_path, oracle, what):
    torch, marker = oracle("torch"), tmp_path / "marker"
    data = io.BytesIO(hostile_files(torch, marker)[what])
    readers = {"pickle": pickle.load, "npy": lambda file: np.load(file, allow_pickle=True).item()}
    read = readers.get(what, joblib.load if "joblib" in what else lambda f: torch.load(f, weights_only=False))
    read(data)
    assert marker.exists()


def test_subclasses_of_arrays_are_refused():
    with pytest.raises(UnsafeFileError, match="memmap|allow-list"):
        read_container(dumped(np.arange(3.0)).replace(b"\x8c\x07ndarray", b"\x8c\x06memmap"))
    with pytest.raises(UnsafeFileError, match="class numpy.dtype"):
        read_container(dumped(np.arange(3.0), protocol=2).replace(b"cnumpy\nndarray", b"cnumpy\ndtype"))


# --- damage ---


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x80\x02", b"\x80\x04", b"\x93NUMPY\x01\x00", b"PK"]))
def test_any_bytes_give_a_value_or_our_error(data, head):
    with contextlib.suppress(smpl2mjcf.Error):
        plain(read_container(head + data))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_persistent_ids_give_a_value_or_our_error(data):
    with contextlib.suppress(smpl2mjcf.Error):
        plain(read_container(torch_zip(b"\x80\x02" + data)))


def test_what_follows_a_pickle_is_not_read():
    assert read_pickle(pickle.dumps([1, 2]) + b"\xff\xff", NUMPY) == [1, 2]
