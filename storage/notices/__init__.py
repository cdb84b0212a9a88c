"""Where notices, their receipts and templates are kept, and who is on the roll."""
