"""What can go wrong with what a user hands to dynamics, each kind with its own name."""


class Error(ValueError):
    """Base of every error that a user of dynamics can cause."""


class ModelError(Error):
    """A model with joints or constraints that are not handled, or a model file that cannot be read."""


class StateError(Error):
    """Positions, velocities, accelerations or wrenches that do not fit the model, or that hold NaN."""


class TrajectoryError(Error):
    """A recorded motion that cannot be smoothed and differentiated as asked."""
