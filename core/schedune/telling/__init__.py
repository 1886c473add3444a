"""How things are said to people: pages of text, and words for times."""
