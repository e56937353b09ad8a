"""Rotation algebra against scipy, on NumPy and JAX, far from, near and at zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dynamics import so3

SHAPES = [(), (1,), (3, 1, 2)]
ANGLES = [0.0, 1e-12, 1e-6, 0.00999, 0.01001, 1.0, 3.1, np.pi]


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=[np.asarray, jnp.asarray], ids=["numpy", "jax"])
def array(request):
    return request.param


def rotation_vectors(shape, angle=None):
    v = np.random.default_rng(0).normal(size=(*shape, 3))
    v /= np.linalg.norm(v, axis=-1, keepdims=True)
    return v * (1.0 if angle is None else angle)


def scipy_rotation(q):
    return Rotation.from_quat(np.asarray(q).reshape(-1, 4), scalar_first=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("angle", ANGLES)
def test_exp_and_matrix_equal_scipy(array, shape, angle):
    v = rotation_vectors(shape, angle)
    q = so3.exp(array(v))
    assert type(q) is type(array(v))
    expected = Rotation.from_rotvec(v.reshape(-1, 3))
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1, atol=1e-15)
    np.testing.assert_allclose(
        so3.matrix(q).reshape(-1, 3, 3), expected.as_matrix().reshape(-1, 3, 3), atol=1e-15
    )


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("sign", [1, -1])
def test_log_undoes_exp_for_both_signs_of_the_quaternion(array, angle, sign):
    v = rotation_vectors((5,), angle)
    back = np.asarray(so3.log(array(sign * so3.exp(v))))
    if angle == np.pi:  # both ways round are equally short
        back = back * np.sign((back * v).sum(-1, keepdims=True))
    np.testing.assert_allclose(back, v, atol=1e-15, rtol=1e-15)


@pytest.mark.parametrize("shape", SHAPES)
def test_products_and_rotations_equal_scipy(array, shape):
    rng = np.random.default_rng(1)
    p, q = so3.normalize(rng.normal(size=(2, *shape, 4)))
    u, v = rng.normal(size=(2, *shape, 3))
    P, Q = scipy_rotation(p), scipy_rotation(q)
    product = scipy_rotation(so3.multiply(array(p), array(q)))
    np.testing.assert_allclose(product.as_matrix(), (P * Q).as_matrix(), atol=1e-15)
    np.testing.assert_allclose(
        scipy_rotation(so3.conjugate(array(p))).as_matrix(), P.inv().as_matrix(), atol=1e-15
    )
    np.testing.assert_allclose(
        np.reshape(so3.rotate(array(p), array(v)), (-1, 3)), P.apply(v.reshape(-1, 3)), atol=1e-14
    )
    np.testing.assert_allclose(so3.cross(array(u), array(v)), np.cross(u, v), atol=1e-15)
    R, S = so3.matrix(p), so3.matrix(q)
    np.testing.assert_allclose(so3.compose(array(R), array(S)), R @ S, atol=1e-15)
    np.testing.assert_allclose(so3.apply(array(R), array(v)), (R @ v[..., None])[..., 0], atol=1e-15)
    np.testing.assert_allclose(
        so3.apply_transposed(array(R), array(v)), (R.swapaxes(-1, -2) @ v[..., None])[..., 0], atol=1e-15
    )


def test_a_turn_about_an_axis_is_the_exponential_of_axis_times_angle(array):
    axis, angle = rotation_vectors((4,)), np.array([0.0, 1e-9, 2.0, -3.0])
    expected = so3.exp(axis * angle[:, None])
    np.testing.assert_allclose(so3.from_axis_angle(array(axis), array(angle)), expected, atol=1e-15)


def test_normalize_takes_zero_to_the_identity_as_mujoco_does(array):
    q = array(np.array([[0.0, 0, 0, 0], [0, 3, 0, 4]]))
    np.testing.assert_allclose(so3.normalize(q), [[1, 0, 0, 0], [0, 0.6, 0, 0.8]])


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.00999, 0.01001, 1.5])
def test_gradients_are_finite_and_right_at_and_near_zero(angle):
    v = rotation_vectors((), angle)
    step = 1e-6
    for function, at in [(so3.exp, v), (so3.log, so3.exp(v)), (so3.normalize, 1.5 * so3.exp(v))]:
        jacobian = np.asarray(jax.jacobian(function)(jnp.asarray(at)))
        steps = step * np.eye(len(at))
        differences = np.stack([(function(at + d) - function(at - d)) / (2 * step) for d in steps], axis=-1)
        np.testing.assert_allclose(jacobian, differences, atol=1e-9)
    assert np.isfinite(jax.jacobian(so3.normalize)(jnp.zeros(4))).all()


@pytest.mark.parametrize("function", [so3.exp, so3.log, so3.normalize, so3.matrix])
def test_float32_stays_float32(function):
    size = 3 if function is so3.exp else 4
    assert function(jnp.ones(size, jnp.float32)).dtype == jnp.float32
    assert function(np.ones(size, np.float32)).dtype == np.float32
