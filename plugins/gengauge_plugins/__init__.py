"""Model families that ship with gengauge, one file or folder each."""
