"""What a layer holds: filters, activations, maximising images, receptive fields, how far classes are apart."""
