"""Faces, PRODUCT.md A1: an optional door, for who has agreed, and never the only one.

An engine (``engine``) says what it sees in pictures; everything else is decided here. Pictures are
looked at and forgotten; what is kept is a sealed template. Somebody is recognised one to one, after
it is known who they say they are; one to many only proposes a name that a person confirms.
"""
