"""What is wrong with a result, scored from its pixels and its inputs, without a vendor."""
