"""MongoDB, Redis and files behind the ports of the domain; no HTTP."""
