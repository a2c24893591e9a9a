"""Navigation in grid mazes: layouts, rules, environment and expert."""
