"""A motion made in code: one arm raised from the T-pose to above the head and back."""

import numpy as np

import dynamics
import smpl2mjcf

fps = 100.0
time = np.arange(0, 3, 1 / fps)
poses = np.zeros((len(time), 24, 3))  # axis-angle, rad
poses[:, 0] = [np.pi / 2, 0, 0]  # SMPL is y up, the world z up
poses[:, 16, 2] = 0.6 * (1 - np.cos(2 * np.pi * time / 3))  # left_shoulder about z
trans = np.tile([0.0, 0.0, 1.0], (len(time), 1))  # m

motion = smpl2mjcf.Motion(poses, trans, fps=fps, family="smpl2mjcf", source="arm raise")
human = smpl2mjcf.build_humanoid(smpl2mjcf.default_body())
traj = dynamics.trajectory(human.model, smpl2mjcf.motion_to_qpos(human, motion), fps=fps)
tau = dynamics.inverse_dynamics(human.model, traj).tau
shoulder = human.model.jnt_dofadr[human.joint_id("left_shoulder")] + 2
print(f"left shoulder, holding the T-pose: {tau[traj.valid, shoulder][0]:.1f} N m about z")
