"""Read documents of the original system and write Schedune's YAML.

Mappings are pure: a JSON object in, a model and everything that was lost on the way out.
Files, streams and exit codes belong to ``command`` alone. Nothing is dropped, changed or
added in silence, and an object that cannot be meant here is refused with its field.
"""
