"""From a question to a grounded answer: the model, its tools, the loop, the turns."""
