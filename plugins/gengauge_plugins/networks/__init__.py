"""Networks and file formats that families share."""
