"""What can be seen in a network, way by way: numbers, and the arrays of a sheet; studies choose among them."""
