"""Grafana dashboards made from the metrics that workers declare."""
