"""The rules of the code base as functions: each reads source and yields a sentence for every breach."""
