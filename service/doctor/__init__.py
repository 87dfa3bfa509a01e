"""What is right and what is wrong with an installation, found out by looking and trying. Changes nothing."""
