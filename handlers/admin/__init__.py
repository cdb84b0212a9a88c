"""The back office: the same services, with the permissions of administrators."""
