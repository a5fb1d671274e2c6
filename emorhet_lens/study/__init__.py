"""Everything from screening to report, from one file; and the main job."""
