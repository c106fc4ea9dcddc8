"""The ways out: what tells people and machines of alerts. Nothing here decides whether to tell."""
