"""Continuous flows: data carried to noise by a neural ordinary differential equation."""
