"""Fixtures that several test files share."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest

import smpl2mjcf
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
