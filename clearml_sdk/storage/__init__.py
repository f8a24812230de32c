"""Files that a task stores and reads: uploads, downloads and the local cache, by URL."""
