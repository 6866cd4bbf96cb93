"""What outlives the process: every conversation, in one SQLite file."""

from neko.memory.memory import Memory, open_memory

__all__ = ["Memory", "open_memory"]
