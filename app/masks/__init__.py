"""The page Masks, in parts: what is seen of layers, and what of clients."""
