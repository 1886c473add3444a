"""VMMs: what each can do, how it is launched, watched and stopped."""
