"""Text written under masks, judged, and compared with other ways of steering."""
