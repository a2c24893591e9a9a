"""Every row of ENVS keeps every law of environments."""

import pytest

from swm.envs import ENVS
from swm.testing import ENV_LAWS, check_env


@pytest.mark.parametrize("law", ENV_LAWS)
@pytest.mark.parametrize("env_id", ENVS)
def test_law(env_id: str, law: str) -> None:
    check_env(env_id, [law])
