"""Taking in the databases of other programs: piece by piece, with their files, and on from where it was cut."""
