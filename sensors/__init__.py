"""Sensors turn the world into windows. They know no policy, no model and no alarm."""
