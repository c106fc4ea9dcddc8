"""Grafana's dashboards, described as values and written as its JSON. Nothing of the running box reads them."""
