"""Who may do what: API keys, sign-ins of the page, open streams, rate limits. No HTTP."""
