"""What is computed. Families live in ``families/`` (one file each); ``base`` has the values they are made of."""
