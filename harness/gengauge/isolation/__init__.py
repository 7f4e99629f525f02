"""Each trial in a process of its own, so that nothing a plugin does can reach the others."""
