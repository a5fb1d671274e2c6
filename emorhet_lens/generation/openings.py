"""Openings of texts that carry none of the concepts: what models continue unless other prompts are given.

They are few and of one kind, everyday scenes. Rates on them need not hold for other prompts.
"""

OPENINGS = (
    "I opened the letter and",
    "When I came home that evening,",
    "My neighbour told me that",
    "The meeting this morning",
    "Last night at the station",
    "She looked at the photograph and",
    "The food at the restaurant",
    "On the phone he said that",
    "This weekend I",
    "The doctor came in and",
    "I have just read your message, and",
    "The new teacher",
    "After the game,",
    "My brother and I",
    "We walked into the old house and",
    "The package that arrived today",
    "The weather here",
    "I waited for two hours, and then",
    "He gave me the keys and",
    "What I think about this film is that",
)
"""In the order in which they are used."""
