"""What bytes prove about boot images: pure readers of headers, no files opened.

Whoever calls hands over a ``Window`` on the bytes and a way to open compressed streams.
Only the standard library in here: the child that reads hostile images starts quickly so.
"""
