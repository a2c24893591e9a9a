"""Every row of ENVS keeps every law of environments; relatives of a row in the default run are slow tests."""

import pytest

from swm.envs import ENVS
from swm.testing import ENV_LAWS, check_env

IDS = [pytest.param(env_id, marks=pytest.mark.slow) if row.nightly else env_id for env_id, row in ENVS.items()]


@pytest.mark.parametrize("law", ENV_LAWS)
@pytest.mark.parametrize("env_id", IDS)
def test_law(env_id: str, law: str) -> None:
    check_env(env_id, [law])
