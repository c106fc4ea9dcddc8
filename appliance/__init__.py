"""The appliance: command line, configuration, wiring, supervision, store and metrics."""

__version__ = "0.1.0"
