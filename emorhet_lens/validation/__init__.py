"""The neurons of a screening measured on texts that it has not seen, adaptive masks included."""
