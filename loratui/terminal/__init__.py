"""What a terminal can do beyond text, spoken in its own sequences; nothing here knows of Textual."""
