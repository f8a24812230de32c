"""The public methods of `Task`, a file for each concern; a method is a line or two that call the module that acts."""
