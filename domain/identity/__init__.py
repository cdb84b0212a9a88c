"""Who may come in: accounts and their states, sessions and devices, WeChat, passwords, proofs."""
