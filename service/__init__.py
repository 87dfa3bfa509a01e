"""kb-agent: answers questions about a folder of text files, every statement traced to its source."""

__version__ = "0.1.0"
