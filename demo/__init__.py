"""A believable congress, generated: invented people, real institutions, relative dates."""
