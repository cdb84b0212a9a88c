"""What the notification ladder keeps."""
