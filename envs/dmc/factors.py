"""The factors of the domains."""

from collections.abc import Sequence

import mujoco

from swm.core.factors import Factor


def make_factors(domain: str, task: str, model: mujoco.MjModel) -> Sequence[Factor]:
    return ()
