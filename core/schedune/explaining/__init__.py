"""A decision put into the form and the words in which it is told, wherever that is asked for.

One form for the command line and for the operator's fleet page: they say the same.
"""
