"""What the box keeps of what its sensors perceive: clips of alarms, and the room they take."""
