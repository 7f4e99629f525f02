"""Tables of categorical probabilities, shared by the families that count."""
