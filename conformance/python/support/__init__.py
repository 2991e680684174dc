"""What the Python suites share."""
