"""Where a bench's results go."""

import json


def write(out, found, text):
    """OUT.json and OUT.md; and the text to the terminal."""
    with open(f"{out}.json", "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1)
    with open(f"{out}.md", "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
