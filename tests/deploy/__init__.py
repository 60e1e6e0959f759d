"""How the product is deployed: its start, its nginx, its backups."""
