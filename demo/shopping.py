"""Baskets of names become trips of codes that a cart can scan."""
import csv
import hashlib
import random
import re


def read_products(path):
    """[(code, name)] of a catalogue as `endcap catalog list` prints it; a GTIN-14 that begins with
    a zero is read off the pack as the 13 digits behind it."""
    with open(path, newline="", encoding="utf-8") as file:
        return [(row["gtin"].removeprefix("0"), row["name"]) for row in csv.DictReader(file)]


def words(text):
    return [w.rstrip("s") for w in re.findall(r"[a-z]{3,}", text.lower())]


class Shelf:
    """Finds the product a basket's word means: its own name, the most shared words, or any one
    (always the same for the same word)."""

    def __init__(self, products):
        self.products = products
        self.by_name = {name.lower(): i for i, (_, name) in enumerate(products)}
        self.by_word = {}
        for i, (_, name) in enumerate(products):
            for word in set(words(name)):
                self.by_word.setdefault(word, []).append(i)
        self.found = {}

    def find(self, name):
        key = name.strip().lower()
        if key not in self.found:
            self.found[key] = self.search(key)
        return self.products[self.found[key]][0]

    def search(self, key):
        if key in self.by_name:
            return self.by_name[key]
        score = {}
        for word in words(key):
            hits = self.by_word.get(word, [])
            for i in hits:
                score[i] = score.get(i, 0) + 1 / len(hits)
        if score:
            return max(score, key=lambda i: (score[i], -i))
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % len(self.products)


def read_baskets(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [[name for name in row if name.strip()] for row in csv.reader(file) if row]


def write_trips(path, baskets, shelf, seed):
    """One trip a line; now and then two of a kind, or an item that goes back on the shelf."""
    rng = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for basket in baskets:
            codes = []
            for name in basket:
                code = shelf.find(name)
                codes.append(f"{code}*{rng.randint(2, 4)}" if rng.random() < 0.1 else code)
                if rng.random() < 0.03:
                    codes.append("-" + code)
            file.write(",".join(codes) + "\n")
