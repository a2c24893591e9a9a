"""The layouts of stable-worldmodel (read)."""
