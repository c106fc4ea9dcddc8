"""What the owner has written: read, checked, and as frozen values. It starts nothing."""
