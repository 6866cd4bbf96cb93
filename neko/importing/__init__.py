"""From an installation of N.E.K.O. to a `neko.toml`; its files are read, and never changed."""
