"""Texts of files on their way to a reader: without what steers a terminal, a spreadsheet or a browser.

File names, class names, reasons and rows may come from anywhere: a stored run, an archive, somebody's data.
"""

FORMULA = "=+-@"  # how a cell begins that a spreadsheet computes


def line(text: str) -> str:
    """The text as one line, without control characters and marks of direction: spaces for white space, else U+FFFD."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def lines(text: str) -> str:
    """As `line`, for each line of a text."""
    return "\n".join(map(line, text.replace("\r\n", "\n").split("\n")))


def formula(text: str) -> bool:
    """Whether a spreadsheet would take a cell for a formula: a number it may show, with its sign too."""
    if not text.lstrip()[:1] or text.lstrip()[0] not in FORMULA:
        return False
    try:
        float(text)
    except ValueError:
        return len(text.strip()) > 1  # a sign alone computes nothing
    return False


def cell(text: str) -> str:
    """A text as a cell of a csv file that people open: one that would be a formula begins with an apostrophe."""
    return f"'{text}" if formula(text) else text
