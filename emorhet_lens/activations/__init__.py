"""The streaming pass of a screening, and the sufficient statistics that it keeps."""
