"""Multiscale convolutional flows of images."""
