"""The hub's command line: ``python main.py serve``."""

from server.cli import main

if __name__ == "__main__":
    main()
