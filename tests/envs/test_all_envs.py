"""Every row of ENVS keeps every law of environments; relatives of a row in the default run are slow tests."""

from functools import partial

import pytest

from swm.envs import ENVS, make
from swm.testing import ENV_LAWS, ROW_LAWS, check_env
from swm.testing.envs import leaks

IDS = [pytest.param(env_id, marks=pytest.mark.slow) if row.nightly else env_id for env_id, row in ENVS.items()]


@pytest.mark.parametrize("law", [*ENV_LAWS, *ROW_LAWS])
@pytest.mark.parametrize("env_id", IDS)
def test_law(env_id: str, law: str) -> None:
    check_env(env_id, [law])


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ENVS)
def test_hundreds_of_episodes_leave_nothing_behind(env_id: str) -> None:
    leaks(partial(make, env_id), resets=500)
