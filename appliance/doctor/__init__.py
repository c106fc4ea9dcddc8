"""`omniwatch doctor`: whether this machine is ready, and the world answers as the configuration has it."""
