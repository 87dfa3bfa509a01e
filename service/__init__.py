"""kb-agent: answers questions about a folder of text files, every citation checked against its source."""

__version__ = "0.1.0"
