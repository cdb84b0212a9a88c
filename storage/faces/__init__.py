"""Templates of faces, tries, and impact assessments."""
