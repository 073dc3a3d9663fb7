"""Export: trained generators for other programs, checked before they leave."""
