"""Navigation in an arena whose zones each push the agent another way: rules, environment and expert."""
