"""The rows of push_t in the table of environments."""

from swm.envs.row import EnvRow

ROWS: dict[str, EnvRow] = {}
