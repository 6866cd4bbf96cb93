"""One pure module per provider: commands to frames, frames to events, and what its sessions are like."""
