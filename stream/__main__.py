"""`python -m stream`: the same as the command `stream`."""

from stream.cli.main import main

if __name__ == "__main__":
    main()
