"""Files, folders and streams read into objects, each knowing where its fields stand.

What is wrong with one object is said, and keeps no other from being read.
"""
