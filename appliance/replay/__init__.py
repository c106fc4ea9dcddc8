"""Recordings judged as the box would have judged them."""
