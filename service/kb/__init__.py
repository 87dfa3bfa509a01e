"""From a folder of text files to ranked, quotable passages. No LLM, no HTTP."""
