"""From statistics to neurons: selection, stability, matched random sets, and readings of single neurons."""
