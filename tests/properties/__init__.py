"""The 46 properties of a production deployment, each proven by what the product does."""
