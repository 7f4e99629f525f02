"""Flow matching and bridges: descriptions only, so that listing models stays fast."""
