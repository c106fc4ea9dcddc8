"""Alerts turn judgements into news. They know no process, no store and no configuration file."""
