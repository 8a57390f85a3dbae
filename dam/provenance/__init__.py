"""How pictures came to be: labels in files, a signed manifest, a mark that is seen, and who may ask."""
