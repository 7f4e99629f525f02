"""gengauge from Python and from notebooks: the verbs of the command line as functions."""
