"""Does a gate make a mask cheaper? Scores, calibration, comparison."""
