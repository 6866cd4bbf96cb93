"""The agents' wire: what goes to them and what comes from them, single-frame JSON over ZeroMQ."""
