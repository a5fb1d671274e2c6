"""The report: one HTML file that asks no network."""
