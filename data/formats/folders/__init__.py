"""Folders of ordinary files: MP4s or pictures, and the other columns beside them."""
