"""Chat sessions, their messages and turns, and the event log. No LLM, no HTTP."""
