"""`python -m fastnst`, the same as the command `fastnst`."""

from fastnst.cli import main

if __name__ == "__main__":
    main()
