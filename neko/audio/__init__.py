"""Sound as values: PCM, the streaming resampler, framing."""
