"""Data sets of Hugging Face's library: from its hub, its cache, or a folder that it wrote."""
