"""Training prompts and their demonstrations, clean or corrupted, as the training loop takes them."""
