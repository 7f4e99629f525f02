"""For authors of plugins: begins a project, and finds what is to be held to the laws."""
