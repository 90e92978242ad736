"""What it takes to run workers: image, chart, alerts, dashboards."""
