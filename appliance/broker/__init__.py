"""What the box says of itself at its broker, and to Home Assistant."""
