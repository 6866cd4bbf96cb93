"""The agents' end of the house: programs beside this one, reached over ZeroMQ."""
