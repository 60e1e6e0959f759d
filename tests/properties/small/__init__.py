"""An app with five migrations that leave a mark each: what the entrypoint does with a plan, in milliseconds."""
