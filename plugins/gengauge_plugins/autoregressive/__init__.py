"""Autoregressive models: descriptions only, so that listing models stays fast."""
