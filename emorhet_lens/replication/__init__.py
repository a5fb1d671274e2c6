"""What one corpus shows, looked for on another."""
