"""``python -m lastlayer``: the command, where its script is not on the path."""

from lastlayer.cli import main

if __name__ == "__main__":
    main()
