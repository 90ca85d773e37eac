"""What is measured on one photo, in parts that rules ask for by name; measured once, and stored."""
