"""The client wire protocol: what a client may say, what the server says, and the frames that carry it."""
