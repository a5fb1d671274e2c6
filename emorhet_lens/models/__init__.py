"""The models that are read: loading them, and what is asked of every host."""
