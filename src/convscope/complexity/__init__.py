"""Numbers about a labelled data set, without a network: how much there is to learn, and how classes overlap."""
