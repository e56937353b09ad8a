"""Body files: pickles and npz give the same body; hostile and damaged ones give one clear error."""

import codecs
import contextlib
import functools
import io
import os
import pickle
import struct
import subprocess
import sys
import types
import warnings
import zipfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import smpl2mjcf
from smpl2mjcf import BodyFileError, UnsafeFileError, body_files, load_body, shipped_files, untrusted_arrays
from smpl2mjcf.pickled_arrays import NUMPY, PickledBytes
from smpl2mjcf.pickled_models import CHUMPY, SCIPY_SPARSE, to_array
from smpl2mjcf.restricted_pickle import read_pickle
from smpl2mjcf.skeleton import BODY_PARENTS, SMPL_PARENTS

ALLOWED = {**NUMPY, **SCIPY_SPARSE, **CHUMPY}

# --- synthetic models and files ---


def synthetic_arrays(seed=0, vertices=100, parents=SMPL_PARENTS, shapes=10, sparse=False):
    """The six arrays of a made-up model: float32 values, for smplx rounds its input to that."""
    rng = np.random.default_rng(seed)
    joints = len(parents)

    def of_float32(array):
        return array.astype(np.float32).astype(np.float64)

    template = rng.uniform([-0.8, 0, -0.2], [0.8, 1.7, 0.2], (vertices, 3))
    regressor = rng.uniform(size=(joints, vertices)) * (rng.uniform(size=(joints, vertices)) < 0.1)
    regressor[:, 0] += 0.1
    # exact sums of 1: skinning scales a vertex by the sum of its weights
    weights = rng.multinomial(1024, np.full(joints, 1 / joints), vertices) / 1024
    kintree = np.array([parents, range(joints)], dtype=np.int64)
    kintree[0, 0] = 2**32 - 1
    return {
        "v_template": of_float32(template),
        "shapedirs": of_float32(rng.normal(0, 0.01, (vertices, 3, shapes))),
        "J_regressor": of_float32(regressor / regressor.sum(axis=1, keepdims=True)),
        "weights": weights,
        "f": rng.integers(0, vertices, (2 * vertices, 3)).astype(np.uint32),
        "kintree_table": kintree.astype(np.uint32),
    }


def parents_of(joints):
    return (*BODY_PARENTS, *(20 for _ in range(joints - 22)))


def fake_chumpy(monkeypatch):
    """Classes that pickle as chumpy's do; chumpy itself does not install on a current Python."""

    def class_of(module, name):
        result = type(name, (), {"__module__": module})
        found = types.ModuleType(module)
        setattr(found, name, result)
        monkeypatch.setitem(sys.modules, module, found)
        return result

    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    return class_of("chumpy.ch", "Ch"), class_of("chumpy.reordering", "Select")


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes alike as Python 2's byte strings (BINSTRING), as the official files have them."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        data = value if isinstance(value, bytes) else value.encode("latin1")
        short = len(data) < 256
        self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) if short else
                   pickle.BINSTRING + struct.pack("<i", len(data)))  # fmt: skip
        self.write(data)
        self.memoize(value)

    dispatch[str] = save_string
    dispatch[bytes] = save_string


def official_content(arrays, monkeypatch, layout="csc"):
    """The arrays as an official file's dictionary has them, with the keys that we ignore."""
    Ch, Select = fake_chumpy(monkeypatch)

    def ch(x):
        result = Ch()
        result.__dict__.update(x=x, _dirty_vars={"x"}, _itr=None, _depends_on_deps={}, _make_dense=False)
        return result

    shapedirs = arrays["shapedirs"]
    wide = np.concatenate([shapedirs, shapedirs + 1], axis=2)  # Select takes the first half, as a slice would
    select = Select()
    chosen = np.arange(wide.size).reshape(wide.shape)[:, :, : shapedirs.shape[2]]
    select.__dict__.update(a=ch(wide), idxs=chosen.ravel(), preferred_shape=chosen.shape, _dirty_vars=set())
    return {
        **arrays,
        "v_template": ch(arrays["v_template"]),
        "shapedirs": select,
        "weights": np.asfortranarray(arrays["weights"]),
        "J_regressor": getattr(scipy.sparse, f"{layout}_matrix")(arrays["J_regressor"]),
        "posedirs": ch(np.zeros((len(arrays["v_template"]), 3, 207))),
        "bs_type": "lrotmin",
        "bs_style": "lbs",
        "vert_sym_idxs": np.arange(len(arrays["v_template"])),
        "big": 2**40,
    }


def python2_pickle(content):
    buffer = io.BytesIO()
    Python2Pickler(buffer, 2).dump(content)
    data = buffer.getvalue().replace(b"numpy._core.", b"numpy.core.")
    for layout in (b"csc", b"csr", b"coo"):
        data = data.replace(b"scipy.sparse._" + layout, b"scipy.sparse." + layout)
    return data


def write(folder, data, name="model.pkl"):
    path = folder / name
    path.write_bytes(data)
    return path


def write_npz(folder, arrays, name="model.npz"):
    path = folder / name
    np.savez(path, **arrays)
    return path


def assert_same_body(a, b):
    assert (a.family, a.sex, a.joint_names, a.parents, a.shape_names) == (
        b.family, b.sex, b.joint_names, b.parents, b.shape_names,
    )  # fmt: skip
    for name in ("v_template", "shapedirs", "joint_regressor", "weights", "faces"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)


@pytest.fixture(scope="module")
def arrays():
    return synthetic_arrays()


# --- files as they should be ---


def test_npz_holds_what_was_saved(tmp_path, arrays):
    body = load_body(write_npz(tmp_path, arrays))
    assert (body.family, body.sex, body.parents) == ("smpl", "neutral", SMPL_PARENTS)
    np.testing.assert_array_equal(body.v_template, arrays["v_template"])
    np.testing.assert_array_equal(body.shapedirs, arrays["shapedirs"])
    np.testing.assert_array_equal(body.joint_regressor, arrays["J_regressor"])
    np.testing.assert_array_equal(body.weights, arrays["weights"])
    np.testing.assert_array_equal(body.faces, arrays["f"])
    for name in ("v_template", "shapedirs", "joint_regressor", "weights", "faces"):
        assert not getattr(body, name).flags.writeable


@pytest.mark.parametrize("layout", ["csc", "csr", "coo"])
def test_official_pickle_equals_the_npz(tmp_path, monkeypatch, arrays, layout):
    data = python2_pickle(official_content(arrays, monkeypatch, layout))
    if layout == "csc":  # the synthetic file is one that Python's own unpickler reads, given chumpy
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # scipy's old paths
            content = pickle.loads(data, encoding="latin1")
        np.testing.assert_array_equal(content["v_template"].x, arrays["v_template"])
        np.testing.assert_array_equal(content["J_regressor"].toarray(), arrays["J_regressor"])
        assert b"numpy.core.multiarray\n_reconstruct" in data
        assert b"scipy.sparse.csc\ncsc_matrix" in data
        assert b"chumpy.reordering\nSelect" in data
        assert b"_codecs" not in data
    assert_same_body(load_body(write(tmp_path, data)), load_body(write_npz(tmp_path, arrays)))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_of_python3_equals_the_npz(tmp_path, monkeypatch, arrays, protocol):
    data = pickle.dumps(official_content(arrays, monkeypatch), protocol)
    assert_same_body(load_body(write(tmp_path, data)), load_body(write_npz(tmp_path, arrays)))


def test_compressed_npz_of_other_types_and_orders(tmp_path, arrays):
    other = {
        **arrays,
        "v_template": arrays["v_template"].astype(np.float32),
        "weights": np.asfortranarray(arrays["weights"].astype(">f8")),
        "f": arrays["f"].astype(np.float64),
        "kintree_table": np.where(arrays["kintree_table"] == 2**32 - 1, -1.0, arrays["kintree_table"]),
        "posedirs": np.array([{"an": "object"}], dtype=object),  # ignored, so never unpacked
    }
    path = tmp_path / "other.npz"
    np.savez_compressed(path, **other)
    assert_same_body(load_body(path), load_body(write_npz(tmp_path, arrays)))


def test_content_decides_not_the_suffix(tmp_path, arrays):
    npz = write_npz(tmp_path, arrays)
    assert_same_body(load_body(write(tmp_path, npz.read_bytes(), "renamed.pkl")), load_body(str(npz)))


def test_smplx_gives_the_same_joints_and_vertices(tmp_path, oracle, monkeypatch, arrays):
    smplx, torch = oracle("smplx"), oracle("torch")
    body = load_body(write(tmp_path, python2_pickle(official_content(arrays, monkeypatch))))
    given_arrays = {**arrays, "posedirs": np.zeros((100, 3, 207)), "f": arrays["f"].astype(np.int64)}
    struct_ = smplx.utils.Struct(**given_arrays)
    vertex_ids = dict.fromkeys(smplx.vertex_ids.vertex_ids["smplh"], 0)  # its own need 6890 vertices
    model = smplx.SMPL(model_path="", data_struct=struct_, dtype=torch.float64, vertex_ids=vertex_ids)
    rng = np.random.default_rng(1)
    for _ in range(20):
        betas = rng.normal(0, 2, 10)
        with torch.no_grad():
            output = model(betas=torch.tensor(betas[None]))
        # float64 throughout: sums over 100 vertices, and smplx poses by the identity
        np.testing.assert_allclose(
            smpl2mjcf.joint_positions(body, betas), output.joints[0, :24].numpy(), rtol=0, atol=1e-9
        )
        np.testing.assert_allclose(
            smpl2mjcf.shaped_vertices(body, betas), output.vertices[0].numpy(), rtol=0, atol=1e-9
        )


def test_default_body_ships_and_is_read_once():
    body = smpl2mjcf.default_body()
    assert body is smpl2mjcf.default_body()
    assert (body.family, body.num_joints, body.num_betas) == ("smpl2mjcf", 24, 10)
    assert len(body.shape_names) == 10
    assert not body.v_template.flags.writeable


def test_a_missing_model_file_names_it():
    with pytest.raises(
        smpl2mjcf.Error,
        match=r"no file 'no_such\.npz' ships .*available: arm_raise\.npz, default_body\.npz, ",
    ):
        shipped_files.model_file("no_such.npz")


def test_reading_bodies_imports_neither_scipy_nor_jax():
    heavy = ("scipy", "jax", "torch", "smplx")
    code = f"import sys, smpl2mjcf.body_files; print([m for m in {heavy} if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


# --- family, sex, betas, joint order ---


@pytest.mark.parametrize(
    ("joints", "columns", "family", "kept"),
    [
        (24, 3, "smpl", 3),
        (24, 10, "smpl", 10),
        (24, 16, "smpl", 10),
        (24, 300, "smpl", 300),
        (52, 16, "smplh", 16),  # the files that AMASS is made with: shape alone, no expressions
        (55, 20, "smplx", 10),
        (55, 400, "smplx", 300),
    ],
)
def test_family_by_joint_count_and_kept_betas(tmp_path, joints, columns, family, kept):
    parents = SMPL_PARENTS if joints == 24 else parents_of(joints)
    arrays = synthetic_arrays(parents=parents, shapes=columns)
    body = load_body(write_npz(tmp_path, arrays))
    assert (body.family, body.num_betas) == (family, kept)
    np.testing.assert_array_equal(body.shapedirs, arrays["shapedirs"][:, :, :kept])


def test_our_own_keys(tmp_path):
    names = [f"shape {i}" for i in range(12)]
    own = {"family": "smpl2mjcf", "sex": "female", "shape_names": names}
    body = load_body(write_npz(tmp_path, {**synthetic_arrays(shapes=12), **own}, "SMPL_MALE.npz"))
    assert (body.family, body.sex, body.shape_names) == ("smpl2mjcf", "female", tuple(names))


@pytest.mark.parametrize(
    ("name", "sex"),
    [
        ("SMPL_FEMALE.npz", "female"),
        ("SMPL_MALE.npz", "male"),
        ("SMPL_NEUTRAL.npz", "neutral"),
        ("basicModel_f_lbs_10_207_0_v1.0.0.npz", "female"),
        ("basicmodel_m_lbs_10_207_0_v1.1.0.npz", "male"),
        ("SMPLX_MALE2020.npz", "male"),
        ("SMPLFemale.npz", "female"),
        ("female_and_male.npz", "neutral"),
        ("model.npz", "neutral"),
        ("female/model.npz", "female"),
        ("f/model.npz", "neutral"),
    ],
)
def test_sex_from_the_name(tmp_path, arrays, name, sex):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    assert load_body(write_npz(path.parent, arrays, path.name)).sex == sex


@pytest.mark.parametrize("said", ["female", b"female", "FEMALE", "f", np.array(["female"])])
def test_sex_from_the_file(tmp_path, arrays, said):
    assert load_body(write_npz(tmp_path, {**arrays, "gender": said}, "male.npz")).sex == "female"
    for protocol in (2, 4):
        path = write(tmp_path, pickle.dumps({**arrays, "gender": said}, protocol), "male.pkl")
        assert load_body(path).sex == "female"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gender": "unsaid"}, "unknown gender 'unsaid'; accepted: neutral, female, male"),
        ({"sex": np.array(3)}, "sex has dtype int64; text is expected"),
        ({"family": "mano"}, "unknown family 'mano'; accepted: smpl"),
        ({"family": "smplx"}, "a smplx model has 55 joints; kintree_table has 24"),
        ({"shape_names": ["one"]}, "1 shape names for 10 shape directions"),
    ],
)
def test_unknown_words_are_refused(tmp_path, arrays, changes, message):
    with pytest.raises(BodyFileError, match=message):
        load_body(write_npz(tmp_path, {**arrays, **changes}))


def test_text_beyond_unicode_is_refused(tmp_path, arrays):
    # numpy's own reading of such an item is a SystemError
    header = "{'descr': '<U1', 'fortran_order': False, 'shape': ()}"
    path = npz_with(tmp_path, arrays, "sex", npy(header, b"\xff\xff\xff\xff"))
    with pytest.raises(BodyFileError, match="'sex' is an array of text with characters beyond Unicode"):
        load_body(path)


def test_swapped_joint_order_is_refused(tmp_path, arrays):
    kintree = arrays["kintree_table"].copy()
    kintree[0, [5, 6]] = kintree[0, [6, 5]]
    with pytest.raises(BodyFileError, match="joints are in another order"):
        load_body(write_npz(tmp_path, {**arrays, "kintree_table": kintree}))
    with pytest.raises(BodyFileError, match="does not number its joints in order"):
        load_body(write_npz(tmp_path, {**arrays, "kintree_table": arrays["kintree_table"][:, ::-1]}))


def test_parents_after_their_children_are_refused(tmp_path):
    parents = (*BODY_PARENTS, *(40 for _ in range(30)))
    with pytest.raises(BodyFileError, match="come before their children"):
        load_body(write_npz(tmp_path, synthetic_arrays(parents=parents)))


# --- arrays that do not make a body ---


@pytest.mark.parametrize("key", body_files.REQUIRED_KEYS)
def test_a_missing_key_is_named(tmp_path, monkeypatch, arrays, key):
    less = {name: array for name, array in arrays.items() if name != key}
    with pytest.raises(BodyFileError, match=f"missing {key}; found keys: .*accepted"):
        load_body(write_npz(tmp_path, less))
    with pytest.raises(BodyFileError, match=f"missing {key}; found keys: .*accepted"):
        load_body(write(tmp_path, python2_pickle(less)))


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("v_template", lambda a: a[:, :2], r"v_template has shape \(100, 2\), expected \(V, 3\)"),
        ("v_template", lambda a: a[:0], r"v_template has shape \(0, 3\), expected \(V, 3\)"),
        ("v_template", lambda a: a.ravel(), r"v_template has shape \(300,\); 2 axes"),
        ("v_template", lambda a: a * 1000, "it looks like millimetres"),
        ("v_template", lambda a: a * [np.nan, 1, 1], "v_template holds values that are not finite"),
        ("shapedirs", lambda a: a[:50], r"shapedirs has shape \(50, 3, 10\), expected \(100, 3, B\)"),
        ("shapedirs", lambda a: a[:, :, :0], r"shapedirs has shape \(100, 3, 0\)"),
        ("shapedirs", lambda a: a * np.inf, "shapedirs holds values that are not finite"),
        ("J_regressor", lambda a: a.T, r"J_regressor has shape \(100, 24\), expected \(24, 100\)"),
        ("J_regressor", lambda a: a.astype(complex), "only plain numbers"),
        ("weights", lambda a: a[:, :23], r"weights has shape \(100, 23\), expected \(100, 24\)"),
        ("weights", lambda a: a.astype(str), "weights has dtype .*numbers are expected"),
        ("f", lambda a: a[:, :2], r"f has shape \(200, 2\), expected \(F, 3\)"),
        ("f", lambda a: a + 100, "faces name vertex"),
        ("f", lambda a: a + 0.5, "f holds numbers that are not whole"),
        ("f", lambda a: a * np.nan, "f holds numbers that are not finite"),
        ("kintree_table", lambda a: a[:1], r"kintree_table has shape \(1, 24\), expected \(2, J\)"),
        (
            "kintree_table",
            lambda a: a[:, :23],
            r"a model with 23 joints; accepted: 24 \(smpl\), 52 \(smplh\)",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # inf * 0 in the making of the bad input
def test_a_bad_array_is_named_with_its_shape(tmp_path, arrays, key, change, message):
    bad = {**arrays, key: change(arrays[key])}
    with pytest.raises(BodyFileError, match=message):
        load_body(write_npz(tmp_path, bad))
    with pytest.raises(BodyFileError, match=message):
        load_body(write(tmp_path, python2_pickle(bad)))


# --- files of another kind ---


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"v 0 0 0\nf 1 2 3\n", "neither a zip archive nor a binary pickle; accepted: a SMPL"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file; accepted"),
        (b"\x93NUMPY\x01\x00" + bytes(100), "a single .npy array; accepted"),
        (pickle.dumps({"v_template": 1}, 0), "a text pickle of protocol 0"),
        (pickle.dumps([1, 2], 2), "a pickle of a list, not of a dictionary"),
        (pickle.dumps({"pose": 1}, 2), "missing v_template, .*found keys: 'pose'"),
        (pickle.dumps(0x1950A86A20F9469CFC6C, 2), "a pickle of a int"),  # how torch's old format begins
        (b"PK\x03\x04", "corrupted .npz"),
        (b"\x80", "corrupted pickle"),
    ],
)
def test_a_foreign_file_says_what_is_accepted(tmp_path, data, message):
    with pytest.raises(BodyFileError, match=message) as caught:
        load_body(write(tmp_path, data))
    assert "\n" not in str(caught.value)


def test_a_torch_zip_is_foreign(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    with pytest.raises(BodyFileError, match="a zip archive without numpy arrays"):
        load_body(tmp_path / "model.pt")


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(BodyFileError, match="is a folder"):
        load_body(tmp_path)
    for path in (tmp_path / "absent.npz", os.devnull, "nul\0l"):
        with pytest.raises(BodyFileError, match="does not exist, or is not a file"):
            load_body(path)


def test_an_unreadable_file(tmp_path, monkeypatch, arrays):
    path = write_npz(tmp_path, arrays)  # root, as in a container, reads every file: so no chmod here

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(BodyFileError, match="cannot be read: Permission denied"):
        load_body(path)


# --- pickles that ask for code to be run ---


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def raw_global(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


HEAD = b"\x80\x02"
NDARRAY = raw_global("numpy", "ndarray")
RECONSTRUCT = raw_global("numpy.core.multiarray", "_reconstruct")
CH_CLASS = raw_global("chumpy.ch", "Ch")
CSC_CLASS = raw_global("scipy.sparse.csc", "csc_matrix")
CH = CH_CLASS + b")\x81"


def hostile_pickles(marker):
    """(what, bytes, what the refusal names): the first eight create the marker file if they are run."""
    script = f"open({str(marker)!r}, 'w').close()"
    touch = f"touch {marker}"

    def calls(function, *arguments):
        return pickle.dumps({"v_template": Calls(function, *arguments)}, 2)

    def objects(*items):
        return pickle.dumps({**synthetic_arrays(), "f": np.array(items, object)}, 2)

    return [
        ("os.system", calls(os.system, touch), "system"),
        ("eval", calls(eval, script), "eval"),
        ("exec", calls(exec, script), "exec"),
        ("subprocess", calls(subprocess.check_call, ["touch", str(marker)]), "check_call"),
        ("partial", calls(functools.partial, os.system, touch), "functools.partial"),
        ("inst", HEAD + b"(" + text(touch) + b"i" + b"os\nsystem\n.", "INST"),
        ("obj", HEAD + b"(" + raw_global("os", "system") + text(touch) + b"o.", "os.system"),
        ("nested pickle", calls(pickle.loads, pickle.dumps(Calls(os.system, touch))), "pickle.loads"),
        ("stack global", b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + text(touch) + b"\x85R.", "posix.sys"),
        ("getattr", calls(getattr, "", "format"), "getattr"),
        ("getattr dotted", b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.", "numpy.ndarray.__init__"),
        ("import", calls(__import__, "os"), "__import__"),
        ("numpy loader", HEAD + raw_global("numpy", "load") + text("x.npy") + b"\x85R.", "numpy.load"),
        ("numpy memmap", HEAD + RECONSTRUCT + raw_global("numpy", "memmap") + b".", "numpy.memmap"),
        ("array of another class", HEAD + RECONSTRUCT + CH_CLASS + b"K\x00\x85U\x01b\x87R.", "chumpy.ch.Ch"),
        ("ndarray called", HEAD + NDARRAY + b"J\xff\xff\xff\x7f\x85\x85R.", "numpy.ndarray"),
        ("ndarray made", HEAD + NDARRAY + b"J\xff\xff\xff\x7f\x85\x81.", "numpy.ndarray"),
        ("codec", calls(codecs.encode, "x" * 99, "rot13"), "rot13"),
        ("codec unnamed", HEAD + raw_global("_codecs", "encode") + text("x") + b"\x85R.", "_codecs.encode"),
        ("persistent id", HEAD + b"Pevil\n.", "PERSID"),
        ("binary persistent id", HEAD + b"K\x01Q.", "BINPERSID"),
        ("extension registry", HEAD + b"\x82\x01.", "EXT1"),
        ("keyword constructor", b"\x80\x04" + CH_CLASS + b")}\x92.", "NEWOBJ_EX"),
        ("buffer", b"\x80\x05\x97.", "NEXT_BUFFER"),
        ("constructor arguments", HEAD + CSC_CLASS + b"J\xff\xff\xff\x7f\x85\x81.", "csc"),
        ("state of a class", HEAD + CH_CLASS + b"}" + text("make") + text("x") + b"sb.", "chumpy.ch.Ch"),
        ("state of a list", HEAD + b"]}b.", "list"),
        ("calling a string", HEAD + text("os.system") + text(touch) + b"\x85R.", "str"),
        ("calling a stand-in", HEAD + CH + b")R.", "Ch"),
        ("object array", objects(Ellipsis, 1), "Ellipsis"),
        ("object array of lists", objects(None, 1), "objects"),
    ]  # fmt: skip


KINDS = [what for what, *_ in hostile_pickles("marker")]


@pytest.mark.parametrize("what", KINDS)
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, what):
    marker = tmp_path / "marker"
    data, named = {name: (data, named) for name, data, named in hostile_pickles(marker)}[what]
    with pytest.raises(UnsafeFileError, match=named) as caught:
        load_body(write(tmp_path, data, "hostile.pkl"))
    assert not marker.exists()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("what", ["os.system", "eval", "exec", "subprocess", "nested pickle", "stack global"])
def test_the_hostile_pickles_are_real(tmp_path, what):
    # Python's own unpickler runs them: the marker would have appeared
    data = {name: data for name, data, _ in hostile_pickles(tmp_path / "marker")}[what]
    pickle.loads(data)
    assert (tmp_path / "marker").exists()


def test_attributes_of_a_pickle_never_become_ours(tmp_path, monkeypatch, arrays):
    Ch, _ = fake_chumpy(monkeypatch)
    sly = Ch()
    sly.__dict__.update(x=arrays["v_template"], set_state="x", attribute="x", state="x", __class__="x")
    body = load_body(write(tmp_path, pickle.dumps({**arrays, "v_template": sly}, 2)))
    np.testing.assert_array_equal(body.v_template, arrays["v_template"])


# --- pickles and npz that would exhaust memory, time or the C stack ---


def int_tuple(*values):
    return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", value) for value in values) + b"t"


def huge_array(shape, code="f8"):
    """An array of a huge declared shape and no data."""
    dtype = raw_global("numpy", "dtype") + text(code) + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = b"(K\x01" + int_tuple(*shape) + dtype + b"\x89" + b"U\x00" + b"tb"
    return RECONSTRUCT + NDARRAY + b"K\x00\x85U\x01b\x87R" + state


def self_containing_chumpy():
    ch = CH + b"q\x01}" + text("x") + b"h\x01sb"
    select = raw_global("chumpy.reordering", "Select") + b")\x81q\x02}"
    select += b"(" + text("a") + b"h\x02" + text("idxs") + b"h\x02ub"
    return [ch, select]


def select_of(source, chosen):
    state = text("a") + pickle.dumps(np.array(source), 2)[2:-1] + text("idxs")
    state += pickle.dumps(np.array(chosen), 2)[2:-1]
    return raw_global("chumpy.reordering", "Select") + b")\x81}(" + state + b"ub"


def sparse_of(shape, indptr, indices, layout="csc"):
    data = np.ones(len(indices))
    matrix = scipy.sparse.csc_matrix((0, 0))
    indptr, indices = np.array(indptr, np.int64), np.array(indices, np.int64)
    matrix.__dict__.update(_shape=shape, indptr=indptr, indices=indices, data=data)
    return pickle.dumps(matrix, 2)[2:-1].replace(b"csc", layout.encode())


BOMBS = {
    "declared shape": huge_array((1 << 40,)),
    "overflowing shape": huge_array((1 << 32, 1 << 32)),
    "negative shape": huge_array((-1, 3)),
    "empty with a huge axis": huge_array((0, 1 << 62)),
    "empty with huge axes": huge_array((0, 1 << 39, 1 << 39)),
    "many axes": huge_array((1,) * 100),
    "protocol 0 text": b"S'\\h'\n",
    "empty items": huge_array((1 << 40,), "S0"),
    "void items": huge_array((1 << 40,), "V0"),
    "chumpy in itself": self_containing_chumpy()[0],
    "select of itself": self_containing_chumpy()[1],
    "select beyond the array": select_of([1.0, 2.0], [0, 2]),
    "select before the array": select_of([1.0, 2.0], [0, -1]),
    "select by fractions": select_of([1.0, 2.0], [0.5]),
    "deep tuples": b")" + b"\x85" * 1_000_000,
    "deep lists": b"]" * 1_000_000 + b"a" * 999_999,
    "deep key": b"})" + b"\x85" * 1_000_000 + b"Ns",
    "deep shape": RECONSTRUCT + NDARRAY + b"NN\x87R(K\x01(" + b")" + b"\x85" * 200_000 + b"tNNNtb",
    "deep codec": raw_global("_codecs", "encode") + text("x") + b")" + b"\x85" * 200_000 + b"\x86R",
    "memo index": b"Nr\xff\xff\xff\x7f",
    "declared bytes": b"\x8e" + struct.pack("<Q", 1 << 62),
    "declared bytearray": b"\x96" + struct.pack("<Q", 1 << 40),
    "negative string": b"T\xff\xff\xff\xff",
    "long digits": b"I" + b"9" * 1_000_000 + b"\n",
    "big integer key": b"}\x8a\x20" + b"\x7f" * 32 + b"Ns",
    "get of nothing": b"h\x07",
    "pop of nothing": b"0",
    "bad sparse indices": sparse_of((24, 100), [0] * 100 + [1], [10**9]),
    "bad sparse pointers": sparse_of((24, 100), [0, 10**12] + [0] * 98 + [1], [0]),
    "sparse pointers that wrap around": sparse_of(
        (24, 100), [0, 1 << 62, -(1 << 63), -(1 << 62)] + [0] * 97, []
    ),
    "sparse of no shape": sparse_of((), [0], []),
    "bad sparse rows": sparse_of((24, 100), [0, 1], [0], "csr"),
}  # fmt: skip


@pytest.mark.parametrize("key", ["v_template", "J_regressor"])
@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_refused(tmp_path, arrays, what, key):
    rest = pickle.dumps({name: array for name, array in arrays.items() if name != key}, 2)
    # the last entry of the dictionary, put in before its STOP
    with pytest.raises((BodyFileError, UnsafeFileError)) as caught:
        load_body(write(tmp_path, rest[:-1] + text(key) + BOMBS[what] + b"s."))
    assert len(str(caught.value)) < 500


def test_a_sparse_regressor_of_any_declared_size_costs_nothing(tmp_path, arrays):
    huge = sparse_of((1 << 20, 1 << 20), [0], [])
    rest = pickle.dumps({name: array for name, array in arrays.items() if name != "J_regressor"}, 2)
    with pytest.raises(
        BodyFileError, match=r"J_regressor has shape \(1048576, 1048576\), expected \(24, 100\)"
    ):
        load_body(write(tmp_path, rest[:-1] + text("J_regressor") + huge + b"s."))


def npz_with(folder, arrays, key, member, **options):
    path = write_npz(folder, {name: array for name, array in arrays.items() if name != key})
    with zipfile.ZipFile(path, "a", **options) as archive:
        archive.writestr(f"{key}.npy", member)
    return path


def npy(header, data=b""):
    header = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 3)}"), "needs|impossible"),
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (100, 3)}", bytes(99)),
            "needs 2400 bytes, found 99",
        ),
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': __import__('os').abort()}"),
            "header is damaged",
        ),
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}"),
            "header is damaged",
        ),
        (npy("{'descr': '<f8', 'shape': (100, 3)}"), "header is damaged"),
        (npy("(" * 9000), "header is damaged"),
        (npy("-" * 9000 + "1"), "header is damaged"),
        (npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}", bytes(24)), "structured"),
        (npy("{'descr': 'evil', 'fortran_order': False, 'shape': (3,)}", bytes(24)), "dtype 'evil'"),
        (b"not npy", "not in numpy's .npy format"),
        (b"", "not in numpy's .npy format"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "not in numpy's .npy format"),
    ],
)
def test_a_hostile_npy_header(tmp_path, arrays, member, message):
    with pytest.raises(BodyFileError, match=message):
        load_body(npz_with(tmp_path, arrays, "v_template", member))


def test_python2_headers_and_version_2_are_read(tmp_path, arrays):
    template = arrays["v_template"]
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (100L, 3L), }"
    version2 = io.BytesIO()
    np.lib.format.write_array(version2, template, version=(2, 0))
    for member in (npy(header, template.tobytes()), version2.getvalue()):
        path = npz_with(tmp_path, arrays, "v_template", member)
        np.testing.assert_array_equal(load_body(path).v_template, template)


def test_an_object_array_in_an_npz_is_refused(tmp_path, arrays):
    marker = tmp_path / "marker"
    hostile = np.array([Calls(os.system, f"touch {marker}")], dtype=object)
    with pytest.raises(UnsafeFileError, match="'J_regressor' is an array of Python objects"):
        load_body(write_npz(tmp_path, {**arrays, "J_regressor": hostile}))
    assert not marker.exists()


def test_a_zip_bomb_is_refused_unopened(tmp_path, monkeypatch, arrays):
    header = "{'descr': '|i1', 'fortran_order': False, 'shape': (1000000, 3)}"
    path = npz_with(
        tmp_path, arrays, "v_template", npy(header, bytes(3_000_000)), compression=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 200_000
    monkeypatch.setattr(untrusted_arrays, "MAX_UNPACKED_BYTES", 1_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(BodyFileError, match="zip bomb"):
        load_body(path)


def test_unusual_zip_packing_is_refused(tmp_path, arrays):
    path = npz_with(tmp_path, arrays, "v_template", bytes(1000), compression=zipfile.ZIP_BZIP2)
    with pytest.raises(BodyFileError, match="packed as numpy never packs"):
        load_body(path)


def test_a_file_of_endless_size_is_refused(tmp_path, monkeypatch, arrays):
    monkeypatch.setattr(body_files, "MAX_FILE_BYTES", 100)
    with pytest.raises(BodyFileError, match=r"has \d+ bytes; at most 100 are read"):
        load_body(write_npz(tmp_path, arrays))


# --- damage ---


@pytest.fixture(scope="module")
def intact_files(tmp_path_factory):
    """name -> bytes of a small intact file of each format."""
    arrays = synthetic_arrays(vertices=20, shapes=3)
    with pytest.MonkeyPatch.context() as monkeypatch:
        content = official_content(arrays, monkeypatch)
        content["posedirs"] = None
        files = {"python2": python2_pickle(content)}
        files["python3"] = pickle.dumps(content, 5)
    folder = tmp_path_factory.mktemp("intact")
    files["npz"] = write_npz(folder, arrays).read_bytes()
    np.savez_compressed(folder / "packed.npz", **arrays)
    files["packed"] = (folder / "packed.npz").read_bytes()
    return files


FORMATS = ["python2", "python3", "npz", "packed"]


def loads_or_refuses(path):
    """True where a body comes out, False at one of our errors; anything else fails the test."""
    try:
        load_body(path)
    except smpl2mjcf.Error:
        return False
    return True


@pytest.mark.parametrize("name", FORMATS)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, intact_files, name):
    data = intact_files[name]
    rng = np.random.default_rng(0)
    ends = {0, 1, 2, 3, 10, len(data) - 1, *rng.integers(0, len(data), 150).tolist()}
    assert loads_or_refuses(write(tmp_path, data))
    for end in sorted(ends):
        with pytest.raises(BodyFileError):
            load_body(write(tmp_path, data[:end]))


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bits_give_a_body_or_one_of_our_errors(tmp_path, intact_files, name):
    intact = np.frombuffer(intact_files[name], np.uint8)
    opcodes_first = np.concatenate([np.arange(min(len(intact), 600)), np.arange(len(intact))])
    rng = np.random.default_rng(1)
    refused = 0
    for count in [1] * 250 + [8] * 100:
        data = intact.copy()
        data[rng.choice(opcodes_first, count)] ^= np.uint8(1) << rng.integers(0, 8, count).astype(np.uint8)
        refused += not loads_or_refuses(write(tmp_path, data.tobytes()))
    assert refused > 20


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_after_a_pickle_head_give_a_value_or_our_error(data):
    with contextlib.suppress(smpl2mjcf.Error):
        read_pickle(HEAD + data, ALLOWED)


# --- the pickle reader against Python's own ---

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.text() | st.integers(-(2**59), 2**59) | st.booleans() | st.none()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner) | st.sets(st.text())
    ),
    max_leaves=30,
)


def plain(value):
    """With the bytes that protocol 2 spells as a call turned back into bytes."""
    if isinstance(value, PickledBytes):
        return value.text.encode("latin1")
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


@settings(max_examples=200, deadline=None)
@given(values, st.integers(3, 5))
def test_plain_values_come_back(value, protocol):
    allowed = {("builtins", "set"): lambda arguments: set(*arguments), **NUMPY}
    data = pickle.dumps(value, protocol)
    assert plain(read_pickle(data, allowed)) == value == pickle.loads(data)


@settings(max_examples=100, deadline=None)
@given(scalars | st.lists(scalars))
def test_plain_values_of_protocol_2_come_back(value):
    assert plain(read_pickle(pickle.dumps(value, 2), NUMPY)) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i1", "i8", "u4", ">u2", "?", "S3", "U4"])
def test_arrays_come_back(dtype, protocol):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for form in (array, np.asfortranarray(array), array[0], array[:0], array[1, 2, 3].reshape(())):
        read = to_array(read_pickle(pickle.dumps(form, protocol), NUMPY))
        np.testing.assert_array_equal(read, form, strict=True)
    scalar = to_array(read_pickle(pickle.dumps(array[1, 2, 3], protocol), NUMPY))
    np.testing.assert_array_equal(scalar, array[1, 2, 3])
