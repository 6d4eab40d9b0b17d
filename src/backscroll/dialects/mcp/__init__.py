"""The archive over the Model Context Protocol: tools, their answers, media as resources."""
