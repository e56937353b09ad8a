"""Fixtures that several test files share."""

import importlib
import importlib.util
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.body import joint_positions
from smpl2mjcf.hands import hand_pieces
from smpl2mjcf.segments import body_pieces, whole


@pytest.fixture(scope="session")
def oracle():
    """A function from a module's name to the module: an independent judge of our numbers.

    Where the module is not installed the test is skipped, and fails under SMPL2MJCF_REQUIRE_ORACLES=1.
    """

    def load(name):
        try:
            return importlib.import_module(name)
        except ImportError as error:
            if os.environ.get("SMPL2MJCF_REQUIRE_ORACLES") == "1":
                pytest.fail(f"the oracle {name} is required here: {error}")
            pytest.skip(f"the oracle {name} is not installed")

    return load


@pytest.fixture(scope="session")
def default_body():
    return smpl2mjcf.default_body()


@pytest.fixture(scope="session")
def body_with_fingers(default_body, tmp_path_factory):
    """A function from "smplh" or "smplx" to such a body with ten betas, as test_smplh_smplx.py makes them."""
    path = Path(__file__).with_name("test_smplh_smplx.py")
    spec = importlib.util.spec_from_file_location("smplh_smplx_bodies", path)
    bodies = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bodies)

    @cache
    def load(family):
        file = tmp_path_factory.mktemp(family) / f"{family.upper()}_FEMALE.npz"
        np.savez(file, **bodies.family_arrays(default_body, family))
        body = smpl2mjcf.load_body(file)
        return replace(body, shapedirs=body.shapedirs[:, :, :10])

    return load


@pytest.fixture(scope="session")
def shared():
    """The folder of recordings and facts beside the checkout; its tests skip without it, except in CI."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared"
    if not (folder / "data").is_dir():
        if os.environ.get("SMPL2MJCF_REQUIRE_ORACLES") == "1":
            pytest.fail(f"the recordings are required here: {folder} is not there")
        pytest.skip("the recordings in ../shared are not here")
    return folder


@pytest.fixture(scope="session")
def body_chains():
    """A function from a mesh and its joints to the closed chain (N, 3, 3) of each joint's piece."""

    def chains(vertices, faces, joints):
        pieces = body_pieces(vertices, faces, joints)
        return {name: piece.chain(vertices, faces) for name, piece in pieces.items()}

    return chains


@pytest.fixture(scope="session")
def hand_chains():
    """A function from a whole hand's chain, its joints and side to the chain of each bone's piece."""

    def chains(hand, joints, side):
        vertices, faces = hand.reshape(-1, 3), np.arange(3 * len(hand)).reshape(-1, 3)
        pieces = hand_pieces(vertices, faces, whole(faces), joints, side)
        return {name: piece.chain(vertices, faces) for name, piece in pieces.items()}

    return chains


@pytest.fixture(scope="session")
def pairs_by_coal():
    """A function from a mesh to the pairs (K, 2) of its faces that meet and share no vertex, by coal.

    coal is the collision library that pin brings along.
    """
    import coal

    def pairs(vertices, faces):
        mesh = coal.BVHModelOBB()
        mesh.beginModel(len(faces), len(vertices))
        mesh.addVertices(np.asfortranarray(vertices, dtype=np.float64))
        mesh.addTriangles(np.asfortranarray(faces, dtype=np.int64))
        mesh.endModel()
        found = coal.CollisionResult()
        request = coal.CollisionRequest(coal.CollisionRequestFlag.CONTACT, 10_000_000)
        coal.collide(mesh, coal.Transform3s(), mesh, coal.Transform3s(), request, found)
        met = np.array([(contact.b1, contact.b2) for contact in found.getContacts()]).reshape(-1, 2)
        apart = ~(faces[met[:, 0]][:, :, None] == faces[met[:, 1]][:, None]).any(axis=(1, 2))
        return np.unique(np.sort(met[apart], axis=1), axis=0)

    return pairs


@pytest.fixture(scope="session")
def forward():
    """A function from a motion and its body to world rotations and joint positions (T, 3) m by joint."""

    def kinematics(motion, body):
        joints = joint_positions(body, motion.betas)
        world, place = {}, {}
        for j, name in enumerate(body.joint_names):
            local, parent = Rotation.from_rotvec(motion.poses[:, j]), body.parents[j]
            if parent < 0:
                world[name], place[name] = local, joints[j] + motion.trans
            else:
                above = body.joint_names[parent]
                world[name] = world[above] * local
                place[name] = place[above] + world[above].apply(joints[j] - joints[parent])
        return world, place

    return kinematics
