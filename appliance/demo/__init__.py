"""The demo: a world of its own, small enough to know everything that happens in it."""
