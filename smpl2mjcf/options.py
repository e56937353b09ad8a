"""What build_humanoid's options accept; kept apart so that `--help` loads nothing else."""

INERTIAS = ("deleva", "mesh", "hybrid")
"""Where masses and shapes come from: de Leva's table; the mesh at one density; de Leva's masses on the
mesh's shape."""

TRUNKS = ("parts", "whole")
"""What of de Leva's trunk is met: the masses of its three parts; or also the whole trunk's centre of mass
and radii of gyration, by one affine map of its six bodies."""

JOINTS = ("ball", "hinge")
"""One ball joint a SMPL joint, or three hinges with clinical ranges."""

PROFILES = ("inverse-dynamics", "simulation", "mjx")
"""What the humanoid is for (profiles.py)."""

ACTUATORS = ("servos", "motors")
"""Of the profiles that move by themselves."""

LOOKS = ("none", "skin", "meshes")
"""The visible body beside the collision geoms: none, a skin that bends, a rigid mesh a body."""

EXTRAS = ("markers", "imus", "sensors")
"""Anatomical landmarks as sites, inertial sensors' sites, and what those and the soles measure."""
