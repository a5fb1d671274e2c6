"""The signal of one group of concepts injected while another group is read."""
