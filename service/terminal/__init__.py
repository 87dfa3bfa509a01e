"""What the commands do and print. `service/cli` says how they are called, and imports this when one runs."""
