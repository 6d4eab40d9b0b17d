"""``python -m backscroll`` is the command ``backscroll``."""

from backscroll.cli.main import main

if __name__ == "__main__":
    main(prog_name="backscroll")
