"""Write the table of bad inputs into docs/security.md."""

from tests.bad_inputs import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page())
