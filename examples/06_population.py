"""A population without a model each: how body shape spreads the torque of a hanging leg's hip."""

import jax
import numpy as np

import dynamics
import smpl2mjcf
from smpl2mjcf import shape_arrays

body = smpl2mjcf.default_body()
model = smpl2mjcf.build_humanoid(body).model
tree = dynamics.Tree.from_mjmodel(model)
standing = model.key("stand").qpos.astype(np.float32)
rest = np.zeros(model.nv, dtype=np.float32)
hip = int(model.jnt_dofadr[model.joint("left_hip").id])

betas = np.random.default_rng(0).normal(size=(200, 10))
people = shape_arrays(body, betas)  # offsets, masses, centres of mass and inertia of 200 humanoids
print(f"{people.valid.sum()} people of {people.masses.sum(axis=1).min():.0f}", end="")
print(f"-{people.masses.sum(axis=1).max():.0f} kg, {len(people.names) - 1} bodies each")


@jax.jit
@jax.vmap
def hip_torque(person):
    """N m about the left hip's axes, standing still in the keyframe's pose with the feet off the floor."""
    shaped = tree.replace(
        offsets=person.offsets, masses=person.masses, coms=person.coms, tensors=person.tensors
    )
    return dynamics.rnea(shaped, standing, rest, rest)[hip : hip + 3]


size = np.linalg.norm(hip_torque(people), axis=1)
print(f"hip torque of a hanging leg: {size.mean():.1f} N m, standard deviation {size.std():.1f} N m")
