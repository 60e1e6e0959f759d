"""The real compose.yml, built and started. Run by `make test-stack` only."""
