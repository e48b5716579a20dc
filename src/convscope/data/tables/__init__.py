"""How a user's csv becomes a table: heading, columns, classes, precision, splits."""
