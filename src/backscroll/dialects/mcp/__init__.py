"""The archive in the words of the Model Context Protocol: tools, their answers, media as resources."""
